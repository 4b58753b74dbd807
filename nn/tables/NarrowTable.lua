--- Some neighbouring values of a table, as a table.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local NarrowTable = torch.class('nn.NarrowTable', 'nn.Module')

--- length: how many, 1 by default; -1 for all from `offset` on, -2 for all but the last.
function NarrowTable:__init(offset, length)
  self.offset = offset
  self.length = length or 1
  if not self.offset then error('nn.NarrowTable: where to begin expected, got nil', 3) end
end

function NarrowTable:updateOutput(input)
  inputs.check_list(input)
  local first, length = self.offset, self.length
  if length < 0 then length = #input - first + 2 + length end
  if first < 1 or length < 1 or first + length - 1 > #input then
    error(('values %d to %d expected, but the table has %d'):format(first, first + length - 1,
      #input), 0)
  end
  local output = {}
  for i = 1, length do output[i] = input[first + i - 1] end
  return output
end
