--- x - tanh(x) of each element.
local torch = require 'torch'
require 'nn.Module'

local TanhShrink = torch.class('nn.TanhShrink', 'nn.Module')

function TanhShrink:updateOutput(input)
  return torch.tanhshrink(input)
end
