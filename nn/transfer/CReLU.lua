--- max(x, 0) and max(-x, 0), one behind the other along the channels. Shang et al. 2016.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local CReLU = torch.class('nn.CReLU', 'nn.Module')

--- nInputDims: how many dimensions one example has, the first of them the channels; an input with
-- one more is a batch. inplace: Torch7's rectifies a copy of the input then; so does this always.
function CReLU:__init(nInputDims, inplace)
  dims.check_whole('CReLU', 'nInputDims', nInputDims)
  self.nInputDims = nInputDims
  self.inplace = inplace or false
end

function CReLU:updateOutput(input)
  local channel = dims.at(input, 1, self.nInputDims)
  return torch.relu(torch.cat({input, -input}, channel))
end
