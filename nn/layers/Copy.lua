--- The input as a tensor of another type.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local Copy, Module = torch.class('nn.Copy', 'nn.Module')

local function check_type(name)
  if type(name) == 'string' and name:match('^torch%.%a+Tensor$') and torch.getmetatable(name) then
    return name
  end
  error(("nn.Copy: a type such as 'torch.DoubleTensor' expected, got %s"):format(tostring(name)), 4)
end

--- intype, outtype: types by name, the default type unless given. forceCopy: true for a copy even
-- where the types are the same. dontCast: true to keep the types when the module is converted.
function Copy:__init(intype, outtype, forceCopy, dontCast)
  self.intype = check_type(intype or torch.getdefaulttensortype())
  self.outtype = check_type(outtype or torch.getdefaulttensortype())
  self.forceCopy = forceCopy or false
  self.dontCast = dontCast or false
end

function Copy:updateOutput(input)
  dims.check(input)
  if input:type() ~= self.outtype then return input:type(self.outtype) end
  return self.forceCopy and input:clone() or input
end

function Copy:type(name, cache)
  if name and self.dontCast then return self end
  if name then self.intype, self.outtype = name, name end
  return Module.type(self, name, cache)
end

function Copy:__tostring__()
  return ('%s(%s -> %s)'):format(torch.type(self), self.intype, self.outtype)
end
