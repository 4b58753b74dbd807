--- One value of a table. The others get gradients of zeros.
local torch = require 'torch'
require 'nn.Module'

local SelectTable = torch.class('nn.SelectTable', 'nn.Module')

--- index: a number, negative ones count from the end, or another key of the table.
function SelectTable:__init(index)
  self.index = index
end

function SelectTable:updateOutput(input)
  if type(input) ~= 'table' then
    error(('a table expected, got %s'):format(torch.type(input)), 0)
  end
  local index = self.index
  if type(index) == 'number' and index < 0 then index = #input + index + 1 end
  if input[index] == nil then
    error(('no value %s in a table of %d'):format(tostring(self.index), #input), 0)
  end
  return input[index]
end

function SelectTable:__tostring__()
  return ('%s(%s)'):format(torch.type(self), tostring(self.index))
end
