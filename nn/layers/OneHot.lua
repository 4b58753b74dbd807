--- For each number from 1 to outputSize a row of zeros with a 1 at its place, in a new last
-- dimension.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local OneHot = torch.class('nn.OneHot', 'nn.Module')

function OneHot:__init(outputSize)
  dims.check_whole('OneHot', 'outputSize', outputSize)
  self.outputSize = outputSize
end

function OneHot:updateOutput(input)
  dims.check(input)
  local rows = torch.one_hot(input:to('int64'), self.outputSize)
  return rows:type(self._type or torch.getdefaulttensortype())
end

function OneHot:type(name, cache)
  if name then self._type = name end
  return torch.getmetatable('nn.Module').type(self, name, cache)
end

function OneHot:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.outputSize)
end
