--- Natural logarithm of each element.
local torch = require 'torch'
require 'nn.Module'

local Log = torch.class('nn.Log', 'nn.Module')

function Log:updateOutput(input)
  return torch.log(input)
end
