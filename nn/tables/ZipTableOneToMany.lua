--- Of {x, {a, b, ...}}: {{x, a}, {x, b}, ...}.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local ZipTableOneToMany = torch.class('nn.ZipTableOneToMany', 'nn.Module')

function ZipTableOneToMany:updateOutput(input)
  inputs.check_list(input, 2)
  inputs.check_list(input[2])
  local output = {}
  for i, value in ipairs(input[2]) do output[i] = {input[1], value} end
  return output
end
