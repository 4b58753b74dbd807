--- Runs a module with its weight divided by the weight's largest singular value (Miyato et al.
-- 2018). The module itself keeps the weight as it is trained; u and v, which point the way of
-- that value, get better by a step of power iteration at each run in training.
local torch = require 'torch'
local run = require 'nn.run'
local options = require 'nn.attention.options'
require 'nn.Container'

local SpectralNorm, Container = torch.class('nn.SpectralNorm', 'nn.Container')

local DEFAULTS = {name = 'weight', iterations = 1, eps = 1e-12, dim = 1}

--- given: name of the tensor ('weight'), iterations at each run (1), eps (1e-12), and dim, the
-- dimension of the outputs (1; 2 for transposed convolutions).
function SpectralNorm:__init(module, given)
  Container.__init(self)
  self:add(module)
  for name, value in pairs(options.read('nn.SpectralNorm', given, DEFAULTS)) do
    self[name] = value
  end
  local weight = module[self.name]
  if not torch.isTensor(weight) or weight:dim() < 2 then
    error(('nn.SpectralNorm: %s has no %s of two or more dimensions'):format(torch.type(module),
      self.name), 3)
  end
  self.train = true
  self:reset()
end

-- The weight with a row for each output.
local function matrix(self, weight)
  if self.dim ~= 1 then weight = weight:transpose(1, self.dim) end
  return weight:reshape(weight:size(1), weight:nElement() / weight:size(1))
end

local function direction(vector, eps)
  return vector / math.max(vector:norm(), eps)
end

local function iterate(self, w, times)
  for _ = 1, times do
    self.v = direction(torch.mv(w:t(), self.u), self.eps)
    self.u = direction(torch.mv(w, self.v), self.eps)
  end
end

--- Draws the module's weights anew; the directions follow.
function SpectralNorm:reset(stdv)
  if stdv ~= nil or self.u then self.modules[1]:reset(stdv) end
  torch.no_grad(function()
    local w = matrix(self, self.modules[1][self.name]:detach())
    self.u = direction(torch.randn(w:size(1)):typeAs(w), self.eps)
    iterate(self, w, 15)
  end)
end

function SpectralNorm:updateOutput(input)
  local module = self.modules[1]
  local weight = module[self.name]
  local w = matrix(self, weight)
  if self.train ~= false then torch.no_grad(iterate, self, w:detach(), self.iterations) end
  local value = torch.dot(self.u, torch.mv(w, self.v))
  module[self.name] = weight / value
  local ok, result = pcall(run.call, module, input)
  module[self.name] = weight
  if not ok then error(result, 0) end
  return result
end

function SpectralNorm:__tostring__()
  return ('%s @ %s'):format(torch.type(self), tostring(self.modules[1]))
end
