--- What rnn's layers over whole sequences have in common: (time, batch, features) or, with
-- batchfirst, (batch, time, features); and what they remember between two calls.
local torch = require 'torch'

local sequences = {}

local WHEN = {both = true, eval = true, train = true, neither = true}

--- Gives a class remember, forget, training and evaluate.
function sequences.class(Class, Base)
  --- The state after a sequence begins the next one: 'both' (in training and in use), 'eval',
  -- 'train' or 'neither', as at first. No gradient goes back to the sequence before.
  function Class:remember(when)
    when = when or 'both'
    if not WHEN[when] then
      error(('%s: remember both, eval, train or neither, not %s'):format(torch.type(self),
        tostring(when)), 2)
    end
    self._remember = when
    return self
  end

  --- The next sequence begins anew.
  function Class:forget()
    self._state = nil
    return self
  end

  function Class:training()
    if self.train == false then self:forget() end
    Base.training(self)
  end

  function Class:evaluate()
    if self.train ~= false then self:forget() end
    Base.evaluate(self)
  end

  function Class:clearState()
    self:forget()
    return Base.clearState(self)
  end
end

local function remembers(self)
  local when = self._remember or 'neither'
  return when == 'both' or when == (self.train == false and 'eval' or 'train')
end

--- Keeps the state of this sequence where it is to begin the next one.
function sequences.keep(self, ...)
  if not remembers(self) then return end
  self._state = {}
  for k, part in ipairs {...} do self._state[k] = part:detach() end
end

--- Part k of the state to begin with, (batch, size): the user's, the remembered one, or zeros.
function sequences.start(self, k, given, x, size)
  local batch = x:size(2)
  local state = given or remembers(self) and self._state and self._state[k]
  if not state then return torch.zeros(batch, size):typeAs(x) end
  if state:dim() ~= 2 or state:size(1) ~= batch or state:size(2) ~= size then
    local advice = given and '' or ': forget() before the batch changes'
    error(('a state of %dx%d expected, got %s%s'):format(batch, size,
      table.concat(state:size():totable(), 'x'), advice), 0)
  end
  return state
end

--- The input with time first, and whether it was one sequence, (time, features).
function sequences.read(self, x)
  local dims = torch.isTensor(x) and x:nElement() > 0 and x:dim()
  if dims ~= 2 and dims ~= 3 then
    error(('input %s x features expected, got %s'):format(
      self.batchfirst and 'batch x time' or 'time x batch', torch.isTensor(x)
      and table.concat(x:size():totable(), 'x') or type(x)), 0)
  end
  if x:size(dims) ~= self.inputsize then
    error(('input has %d features, expected %d'):format(x:size(dims), self.inputsize), 0)
  end
  if dims == 2 then return x:unsqueeze(2), true end
  return self.batchfirst and x:transpose(1, 2) or x, false
end

--- The output, as the input was.
function sequences.give(self, y, single)
  if single then return y:squeeze(2) end
  return self.batchfirst and y:transpose(1, 2) or y
end

function sequences.check_sizes(self, ...)
  for _, size in ipairs {...} do
    if type(size) ~= 'number' or size < 1 or size % 1 ~= 0 then
      error(('%s: a size of 1 or more expected, got %s'):format(torch.type(self),
        tostring(size)), 3)
    end
  end
end

return sequences
