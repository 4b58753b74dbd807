--- Dropout of whole feature maps, whose elements are too much alike to be dropped one by one.
-- As in Torch7 nothing is scaled in training, and the output by 1 - p in use. Tompson et al. 2015.
local torch = require 'torch'
local dims = require 'nn.layers.dims'

local feature_dropout = {}

--- One feature map has `map_dims` dimensions.
function feature_dropout.apply(self, input, map_dims)
  dims.check(input, map_dims + 1, map_dims + 2)
  if self.train == false and not self.stochastic_inference then return input * (1 - self.p) end
  local sizes = input:size():totable()
  for d = #sizes - map_dims + 1, #sizes do sizes[d] = 1 end
  self.noise = input:new_empty(sizes):bernoulli(1 - self.p)
  return torch.cmul(input, self.noise)
end

return feature_dropout
