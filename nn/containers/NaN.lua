--- Raises an error that names the module as soon as a number of its input, output, parameters or
-- gradients is no number. For finding where a training breaks.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
require 'nn.containers.Decorator'

local NaN, Decorator = torch.class('nn.NaN', 'nn.Decorator')

local last_id = 0

--- id: a name or number that the errors tell.
function NaN:__init(module, id)
  Decorator.__init(self, module)
  last_id = id and last_id or last_id + 1
  self.id = id or last_id
end

local function has_nan(value)
  local found = false
  values.each(function(tensor)
    local plain = tensor:detach()
    found = found or plain:nElement() > 0 and torch.ne(plain, plain):any()
  end, value)
  return found
end

local function complain(self, what)
  error(('NaN found in %s of module :\n%s'):format(what, tostring(self)), 0)
end

-- The value with a node on the tape that looks at its gradient.
local function watched(value, look)
  if type(value) == 'number' then return value end
  return values.map(function(tensor)
    if not tensor.requires_grad then return tensor end
    local alias = tensor:detach()
    torch.record(function(d)
      look(d)
      return d
    end, {tensor}, {alias})
    return alias
  end, value)
end

local function watch_input(self, input)
  return watched(input, function(d)
    if has_nan(d) then complain(self, 'gradInput') end
    local _, gradients = self:parameters()
    if has_nan(gradients) then complain(self, 'gradParameters') end
  end)
end

function NaN:updateOutput(input)
  local output = run.call(self.modules[1], watch_input(self, input))
  if has_nan(output) then
    if has_nan(input) then complain(self, 'input') end
    if has_nan((self:parameters())) then complain(self, 'parameters') end
    complain(self, 'output')
  end
  return watched(output, function(d)
    if has_nan(d) then complain(self, 'gradOutput') end
  end)
end

function NaN:__tostring__()
  return ('%s(%s) @ %s'):format(torch.type(self), tostring(self.id), tostring(self.modules[1]))
end
