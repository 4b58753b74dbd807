--- Of {{a1, a2, ...}, {b1, b2, ...}, ...}: {{a1, b1, ...}, {a2, b2, ...}, ...}.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local ZipTable = torch.class('nn.ZipTable', 'nn.Module')

function ZipTable:updateOutput(input)
  inputs.check_list(input)
  local output = {}
  for i, list in ipairs(input) do
    inputs.check_list(list, i > 1 and #input[1] or nil)
    for k, value in ipairs(list) do
      output[k] = output[k] or {}
      output[k][i] = value
    end
  end
  return output
end
