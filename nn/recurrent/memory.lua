--- What recurrent modules remember from step to step, and how gradients get from one tape to that
-- of an earlier step.
--
-- In a call, and inside of one forward, the state stays tied to the steps before: gradients flow by
-- themselves. Each forward is a tape of its own: the state it begins with becomes a leaf. Its
-- gradient is noted, and is put in where the earlier step goes backward.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'

local memory = {}

-- module -> its memory. Not a field of it: a file or a clone has no use for the history.
local memories = setmetatable({}, {__mode = 'k'})

-- A pass that is none: what was remembered in it begins a new history in any case.
memory.ANEW = 0

--- The memory of a module:
--   state, pass     what the next step begins with, and the forward in which it was made
--   initial         a state that the user has set for the beginning of sequences, and its pass
--   hidden          the states of the steps in forward, plain, from 0
--   gradients       of those states, from tapes of later steps or from the user
--   seen            of those states, as far as they flowed inside of one tape
--   tapes           of the steps in forward
--   stepping        true when earlier tapes may still go backward
--   masks           of dropout that stays the same for a sequence
function memory.of(module)
  local found = memories[module]
  if not found then
    found = {hidden = {}, gradients = {}, seen = {}, tapes = {}, masks = {}}
    memories[module] = found
    if module.step ~= 1 then module:begin() end -- a copy of a module that was under way
  end
  return found
end

--- Back to the beginning: to nothing, or to the state that was set for it.
function memory.forget(module)
  local old = memories[module]
  memories[module] = nil
  if not (old and old.initial) then return end
  local new = memory.of(module)
  new.initial, new.initial_pass = old.initial, old.initial_pass
  new.state, new.pass, new.hidden[0] = old.initial, old.initial_pass, values.detached(old.initial)
end

--- Goes on from the last state as from a given one: as the beginning of another sequence.
function memory.carry(module)
  local old = memories[module]
  if not old then return end
  memories[module] = nil
  local new = memory.of(module)
  new.initial, new.initial_pass = old.initial, old.initial_pass
  new.state, new.pass = values.detached(old.state), memory.ANEW
  new.hidden[0], new.masks = new.state, old.masks
end

--- Frees what is known of a step and the state before it.
function memory.drop(module, step)
  local mine = memory.of(module)
  for _, list in ipairs {mine.hidden, mine.gradients, mine.seen} do list[step - 1] = nil end
  mine.tapes[step] = nil
  for _, list in ipairs {module.outputs, module.cells, module.gradInputs} do list[step] = nil end
end

-- A module, for functions on the tape: they must not keep it alive, as it keeps the tape.
local function weak(module)
  return setmetatable({module}, {__mode = 'v'})
end

-- holder[key] = the gradient of value, in the same form, when it is known; then calls heard().
local function noted(value, holder, key, heard)
  if type(value) == 'table' then
    local seen, inner = {}, {}
    holder[key] = inner
    for name, part in pairs(value) do seen[name] = noted(part, inner, name, heard) end
    return seen
  end
  if type(value) ~= 'userdata' or not value.requires_grad then return value end
  local alias = value:detach()
  torch.record(function(d)
    holder[key] = d
    if heard then heard() end
    return d
  end, {value}, {alias})
  return alias
end

--- Sets what the next step begins with.
function memory.set(module, state, pass)
  local mine = memory.of(module)
  mine.state, mine.pass = state, pass
  return mine
end

local function first_tensor(value)
  while type(value) == 'table' do
    local _, part = next(value)
    value = part
  end
  return value
end

-- Whether the state is of another floating type, or elsewhere, than the input: the module was
-- converted since.
local function is_foreign(state, input)
  local mine, given = first_tensor(state), first_tensor(input)
  return mine and type(given) == 'userdata' and getmetatable(mine) ~= getmetatable(given)
    and torch.is_floating_point(given)
end

--- The state for a step: tied to its history, or the beginning of one.
function memory.enter(module, step, input)
  local mine, pass = memory.of(module), run.pass()
  local state = mine.state
  if state == nil and step == 1 then
    state = module:userState()
    memory.set(module, state, memory.ANEW)
  end
  if state == nil then return nil end
  if is_foreign(state, input) then
    local name = torch.type(first_tensor(input))
    state = values.map(function(tensor) return tensor:detach():type(name) end, state)
    memory.set(module, state, memory.ANEW)
  end
  if mine.pass == pass then
    if pass then state = noted(state, mine.seen, step - 1) end
  elseif pass then
    -- Nothing can go back to an earlier forward of a module around this one.
    if not mine.stepping then memory.drop(module, step - 2) end
    local box, gradients = weak(module), mine.gradients
    local heard = step == 1 and function()
      if box[1] then box[1]:tellGradient(gradients[0]) end
    end
    state = noted(values.map(values.to_leaf, state), gradients, step - 1, heard)
  else
    state = values.detached(state)
  end
  return state
end

-- The first tensor of a value replaced by fn(tensor).
local function with_first(value, fn)
  if type(value) == 'userdata' then return fn(value), true end
  if type(value) ~= 'table' then return value, false end
  local out, found = {}, false
  for name, part in pairs(value) do
    if not found then part, found = with_first(part, fn) end
    out[name] = part
  end
  return out, found
end

--- Remembers the state after a step. Returns the output; in a forward, one that hands the gradient
-- of the state in mine.gradients[step] on to the state.
function memory.leave(module, step, output, state)
  local pass = run.pass()
  local mine = memory.set(module, state, pass)
  if not pass then return output end
  mine.hidden[step] = values.detached(state)
  local tracked = {}
  values.each(function(tensor)
    if tensor.requires_grad then tracked[#tracked + 1] = tensor end
  end, state)
  if #tracked == 0 then return output end
  local box, gradients = weak(module), mine.gradients
  local places = values.map(function(tensor) return tensor.requires_grad end, state)
  return (with_first(output, function(tensor)
    if not tensor.requires_grad then return tensor end
    local alias = tensor:detach()
    torch.record(function(d)
      local owner = box[1]
      local from_user = owner and step == owner.step - 1 and owner:userGradient() or nil
      return d, memory.gradients_of(places, gradients[step] or from_user)
    end, {tensor, (table.unpack or unpack)(tracked)}, {alias})
    return alias
  end))
end

-- The gradients at those places of a value that have one, as so many results.
function memory.gradients_of(places, given)
  local list, count = {}, 0
  local function walk(place, gradient)
    if type(place) == 'table' then
      for name, part in pairs(place) do
        walk(part, type(gradient) == 'table' and gradient[name] or nil)
      end
    elseif place then
      count = count + 1
      if type(gradient) == 'userdata' then list[count] = gradient end
    end
  end
  walk(places, given)
  return (table.unpack or unpack)(list, 1, count)
end

return memory
