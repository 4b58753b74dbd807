--- A table around a value: x -> {x}.
local torch = require 'torch'
require 'nn.Module'

local JustTable = torch.class('nngraph.JustTable', 'nn.Module')

function JustTable:updateOutput(input)
  return {input}
end
