--- In training sets each example of the batch to 0 with probability p, and scales the others by
-- 1 / (1 - p); in use does nothing. At the end of a residual branch it skips the branch: stochastic
-- depth. Huang et al. 2016.
local torch = require 'torch'
local dims = require 'nn.layers.dims'

local DropPath = torch.class('nn.DropPath', 'nn.Dropout')

--- scale: false to leave the others as they are.
function DropPath:__init(p, scale)
  self:setp(p or 0)
  self.train = true
  self.scale = scale ~= false
end

function DropPath:updateOutput(input)
  dims.check(input, 1, math.huge)
  if self.train == false or self.p == 0 then return input end
  local sizes = input:size():totable()
  for d = 2, #sizes do sizes[d] = 1 end
  local keep = input:new_empty(sizes):bernoulli(1 - self.p)
  if self.scale then keep:div(1 - self.p) end
  return torch.cmul(input, keep)
end
