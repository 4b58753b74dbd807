--- {x, y} -> x in the size of y: its dimensions of size 1 are repeated.
local torch = require 'torch'
require 'nn.Module'

local ExpandAs = torch.class('nn.ExpandAs', 'nn.Module')

function ExpandAs:updateOutput(input)
  if type(input) ~= 'table' or not (torch.isTensor(input[1]) and torch.isTensor(input[2])) then
    error('a table of two tensors expected', 0)
  end
  return torch.expandAs(input[1], input[2])
end
