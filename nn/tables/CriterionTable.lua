--- A criterion as a module: of {input, target} its loss.
local torch = require 'torch'
local run = require 'nn.run'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'
local Criterion = torch.getmetatable('nn.Criterion')

local CriterionTable = torch.class('nn.CriterionTable', 'nn.Module')

function CriterionTable:__init(criterion)
  self.criterion = criterion
end

function CriterionTable:updateOutput(input)
  inputs.check_list(input, 2)
  return run.call(self.criterion, input[1], input[2])
end

-- forward gives a number.
CriterionTable.plain = Criterion.plain
