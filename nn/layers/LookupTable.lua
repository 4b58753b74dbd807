--- A table of learned rows: for each number of the input, the row with this number. Input: (time)
-- or (batch, time), of any type; output: a dimension more.
local torch = require 'torch'
local run = require 'nn.run'
local dims = require 'nn.layers.dims'
local lookup = require 'nn.layers.lookup'
require 'nn.Module'

local LookupTable, Module = torch.class('nn.LookupTable', 'nn.Module')

--- nIndex, nOutput: how many rows, and of how many numbers. paddingValue: a number whose row gets
-- no gradient; 0 for none. maxNorm: rows with a greater norm, of order normType (2 by default), are
-- scaled down to it when they are used.
function LookupTable:__init(nIndex, nOutput, paddingValue, maxNorm, normType)
  dims.check_whole('LookupTable', 'nIndex', nIndex)
  dims.check_whole('LookupTable', 'nOutput', nOutput)
  self:parameter('weight', nIndex, nOutput)
  self:setPadding(paddingValue)
  self:setMaxNorm(maxNorm)
  self:setNormType(normType)
  self.shouldScaleGradByFreq = false
  self:reset()
end

--- Normal numbers of this standard deviation.
function LookupTable:reset(stdv)
  self.weight:normal(0, stdv or 1)
  return self
end

function LookupTable:setPadding(paddingValue)
  run.forget(self)
  self.paddingValue = paddingValue or 0
  return self
end

function LookupTable:setMaxNorm(maxNorm)
  self.maxNorm = maxNorm
  return self
end

function LookupTable:setNormType(normType)
  self.normType = normType or 2
  return self
end

--- From now on each number's gradient is divided by how often it comes in the input.
function LookupTable:scaleGradByFreq()
  run.forget(self)
  self.shouldScaleGradByFreq = true
  return self
end

--- From now on without gradWeight: accUpdateGradParameters(input, dy, rate) changes just the rows
-- that are used, and optimizers see nothing of this module.
function LookupTable:accUpdateOnly()
  self.updateOnly = true
  self.weight.requires_grad = false
  self.weight.grad, self.gradWeight = nil, nil
  self.parameterNames = {}
  return self
end

local function options_of(self)
  return {padding = self.paddingValue ~= 0 and self.paddingValue or nil, max_norm = self.maxNorm,
    norm_type = self.normType, by_frequency = self.shouldScaleGradByFreq}
end

function LookupTable:accUpdateGradParameters(input, dy, rate)
  lookup.add(self.weight, input, dy, -rate, options_of(self))
end

function LookupTable:updateOutput(input)
  return lookup.apply(self.weight, input, options_of(self))
end

-- Rows of an old file, whose fields may be missing.
function LookupTable:read(file)
  Module.read(self, file)
  self.paddingValue, self.normType = self.paddingValue or 0, self.normType or 2
end

function LookupTable:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.weight:size(1), self.weight:size(2))
end
