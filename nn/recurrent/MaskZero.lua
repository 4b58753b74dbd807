--- Runs a module; where an example of the input is all zeros, as padding is, so is its output.
local torch = require 'torch'
local run = require 'nn.run'
local masking = require 'nn.recurrent.masking'
require 'nn.Container'
require 'nn.recurrent.methods'

local MaskZero, Container = torch.class('nn.MaskZero', 'nn.Container')

--- nInputDim: how many dimensions one example of the input has (of a table its first tensor).
function MaskZero:__init(module, nInputDim)
  Container.__init(self)
  if torch.isTypeOf(module, 'nn.AbstractRecurrent') then module:maskZero(nInputDim) end
  self:add(module)
  self.module, self.nInputDim = module, nInputDim or 1
end

function MaskZero:updateOutput(input)
  local keep = masking.rows(input, self.nInputDim)
  return masking.apply(run.call(self.modules[1], input), keep)
end

function MaskZero:__tostring__()
  return ('%s @ %s'):format(torch.type(self), tostring(self.modules[1]))
end
