--- A table from its end to its beginning.
local torch = require 'torch'
require 'nn.Module'

local ReverseTable = torch.class('nn.ReverseTable', 'nn.Module')

function ReverseTable:updateOutput(input)
  if type(input) ~= 'table' then
    error(('a table expected, got a %s'):format(torch.type(input)), 0)
  end
  local output = {}
  for i = #input, 1, -1 do output[#output + 1] = input[i] end
  return output
end
