--- The input with a new dimension of size 1.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Unsqueeze = torch.class('nn.Unsqueeze', 'nn.Module')

--- pos: where it is put. numInputDims: how many dimensions an example has; those before are the
-- batch's.
function Unsqueeze:__init(pos, numInputDims)
  dims.check_whole('Unsqueeze', 'pos', pos)
  self.pos = pos
  self:setNumInputDims(numInputDims)
end

function Unsqueeze:setNumInputDims(numInputDims)
  self.numInputDims = numInputDims
  return self
end

function Unsqueeze:updateOutput(input)
  dims.check(input)
  local wanted = self.numInputDims or input:dim()
  if input:dim() < wanted or self.pos > wanted + 1 then
    error(('input of size [%s] has too few dimensions for a new one at %d'):format(
      dims.text(input), self.pos), 0)
  end
  return torch.unsqueeze(input, self.pos + input:dim() - wanted)
end

function Unsqueeze:__tostring__()
  return ('%s(dim %d)'):format(torch.type(self), self.pos)
end
