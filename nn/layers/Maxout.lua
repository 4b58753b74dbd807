--- For each output the greatest of several linear functions. Goodfellow et al. 2013.
local torch = require 'torch'

local Maxout, Sequential = torch.class('nn.Maxout', 'nn.Sequential')

local function make(name, ...)
  return torch.getconstructortable(name)(...)
end

--- maxoutNumber: how many functions. preprocess: a module that comes first, such as nn.Dropout.
function Maxout:__init(inputSize, outputSize, maxoutNumber, preprocess)
  Sequential.__init(self)
  if preprocess then self:add(preprocess) end
  self:add(make('nn.Linear', inputSize, outputSize * maxoutNumber))
  self:add(make('nn.View', maxoutNumber, outputSize):setNumInputDims(1))
  self:add(make('nn.Max', 1, 2))
end
