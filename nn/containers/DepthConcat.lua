--- As Concat, for images of different sizes: the smaller ones are put into the middle of zeros.
local torch = require 'torch'
require 'nn.containers.Concat'

local DepthConcat = torch.class('nn.DepthConcat', 'nn.Concat')

-- The largest size of each dimension.
local function largest(outputs)
  local sizes = {}
  for _, output in ipairs(outputs) do
    for d = 1, output:dim() do sizes[d] = math.max(sizes[d] or 0, output:size(d)) end
  end
  return sizes
end

-- How much to add before and behind, from the last dimension on, as torch.pad wants it.
local function paddings(output, sizes, except)
  local list, any = {}, false
  for d = output:dim(), 1, -1 do
    local missing = d == except and 0 or sizes[d] - output:size(d)
    local before = math.floor(missing / 2)
    list[#list + 1], list[#list + 2] = before, missing - before
    any = any or missing > 0
  end
  return any and list
end

function DepthConcat:updateOutput(input)
  local outputs = self:outputs(input)
  local sizes = largest(outputs)
  for i, output in ipairs(outputs) do
    local around = paddings(output, sizes, self.dimension)
    if around then outputs[i] = torch.pad(output, around) end
  end
  return torch.cat(outputs, self.dimension)
end
