--- A table of tables, of tables and so on, as one list of its tensors.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local FlattenTable = torch.class('nn.FlattenTable', 'nn.Module')

local function collect(list, value)
  if type(value) == 'table' then
    for _, part in ipairs(value) do collect(list, part) end
  else
    list[#list + 1] = value
  end
  return list
end

function FlattenTable:updateOutput(input)
  inputs.check_list(input)
  return collect({}, input)
end
