--- A module of {input, output before} as a recurrent one; at the first step the latter is zeros.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.recurrent.AbstractRecurrent'

local Recurrence, AbstractRecurrent = torch.class('nn.Recurrence', 'nn.AbstractRecurrent')

--- outputSize: of one example: a number, a list or LongStorage of sizes, or a list of these for a
-- table of outputs. nInputDim: how many dimensions one example of the input has (of a table its
-- first tensor). rho: how many steps backward can go back.
function Recurrence:__init(module, outputSize, nInputDim, rho)
  AbstractRecurrent.__init(self, rho or 99999)
  if type(nInputDim) ~= 'number' then
    error(('nn.Recurrence: the number of dimensions of an input expected, got %s'):format(
      type(nInputDim)), 3)
  end
  self:add(module)
  self.recurrentModule, self.outputSize, self.nInputDim = module, outputSize, nInputDim
end

local function first_tensor(value)
  while type(value) == 'table' do value = value[1] end
  return value
end

-- Zeros of that size, for a batch of examples or a single one.
local function zeros(size, name, batch)
  if type(size) == 'number' then size = {size} end
  if type(size) == 'userdata' then size = size:totable() end
  if type(size[1]) ~= 'number' then
    local list = {}
    for i, part in ipairs(size) do list[i] = zeros(part, name, batch) end
    return list
  end
  local sizes = {batch, (table.unpack or unpack)(size)}
  if not batch then sizes = size end
  return torch.zeros(torch.LongStorage(sizes)):type(name)
end

function Recurrence:advance(input, before)
  if before == nil then
    local tensor = first_tensor(input)
    local batch = tensor:dim() - self.nInputDim
    if batch ~= 0 and batch ~= 1 then
      error(('an input of %d dimensions, or %d with a batch, expected, got %d'):format(
        self.nInputDim, self.nInputDim + 1, tensor:dim()), 0)
    end
    -- Indices, say, are no type for an output.
    local name = torch.is_floating_point(tensor) and torch.type(tensor) or self:type()
    before = zeros(self.outputSize, name, batch == 1 and tensor:size(1) or nil)
  end
  local output = run.call(self.recurrentModule, {input, before})
  return output, output
end

function Recurrence:__tostring__()
  return ('%s @ %s'):format(torch.type(self), tostring(self.modules[1]))
end
