--- A module whose weight is w = g v / |v|: length and direction are learned apart.
-- Salimans and Kingma 2016.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.containers.Decorator'

local WeightNorm, Decorator = torch.class('nn.WeightNorm', 'nn.Decorator')

-- |v| for each slice along a dimension, with the others of size 1.
local function lengths(v, dim)
  local square = torch.cmul(v, v)
  for d = 1, v:dim() do
    if d ~= dim then square = torch.sum(square, d) end
  end
  return torch.sqrt(square)
end

local function without(names, name)
  local left = {}
  for _, other in ipairs(names) do
    if other ~= name then left[#left + 1] = other end
  end
  return left
end

--- outputDim: the dimension of the weight along which each slice has a length of its own.
function WeightNorm:__init(module, outputDim)
  Decorator.__init(self, module)
  local weight = module.weight
  if not torch.isTensor(weight) or run.is_classic(module) then
    error(('nn.WeightNorm: a module with a weight, whose gradient comes from the tape, expected, '
      .. 'got %s'):format(torch.type(module)), 3)
  end
  self.outputDim = outputDim or 1
  local plain = weight:detach()
  local g = torch.no_grad(lengths, plain, self.outputDim)
  self:parameter('v', plain:size()):typeAs(plain):copy(plain)
  self:parameter('g', g:size()):copy(g)
  self:type(plain:type())
  -- From now on the module's weight is a result, no parameter.
  module.parameterNames = without(module.parameterNames or {'weight', 'bias'}, 'weight')
  module.weight, module.gradWeight = plain, nil
  -- As programs expect it: the same tensors.
  self.bias, self.gradBias = module.bias, module.gradBias
end

--- The weight from its parts.
function WeightNorm:computedWeight()
  local scale = torch.cdiv(self.g, lengths(self.v, self.outputDim))
  return torch.cmul(self.v, torch.expandAs(scale, self.v))
end

function WeightNorm:updateOutput(input)
  local module = self.modules[1]
  local weight = self:computedWeight()
  module.weight = weight
  local output = run.call(module, input)
  module.weight = weight:detach()
  return output
end

--- Draws the weight and the bias as the module does.
function WeightNorm:reset(stdv)
  local module = self.modules[1]
  if not module then return end
  module:reset(stdv)
  local plain = module.weight
  torch.no_grad(function()
    self.v:copy(plain)
    self.g:copy(lengths(plain, self.outputDim))
  end)
end
