--- The module that SqueezeNet is made of: few channels by a 1x1 convolution, then many, by 1x1 and
-- 3x3 ones side by side. Iandola et al. 2016, arXiv:1602.07360.
local torch = require 'torch'
local nn = require 'nn'
require 'nn.containers.Decorator'

local FireModule, Decorator = torch.class('nn.FireModule', 'nn.Decorator')

--- nInputPlane: channels of the input. s1x1: of the squeezed images; e1x1, e3x3: of the results of
-- either kind. activation: name of a transfer function's class, 'ReLU' by default.
function FireModule:__init(nInputPlane, s1x1, e1x1, e3x3, activation)
  self.nInputPlane, self.s1x1, self.e1x1, self.e3x3 = nInputPlane, s1x1, e1x1, e3x3
  self.activation = activation or 'ReLU'
  local Activation = nn[self.activation]
  if not Activation then
    error(("nn.FireModule: the name of a transfer function expected, got '%s'"):format(
      tostring(activation)), 3)
  end
  local function conv(from, to, size, pad)
    return nn.Sequential(nn.SpatialConvolution(from, to, size, size, 1, 1, pad, pad), Activation())
  end
  -- The channels are the third dimension from behind: of a single image the first.
  self.squeeze = conv(nInputPlane, s1x1, 1, 0)
  self.expand = nn.Concat(-3):add(conv(s1x1, e1x1, 1, 0)):add(conv(s1x1, e3x3, 3, 1))
  self.module = nn.Sequential(self.squeeze, self.expand)
  Decorator.__init(self, self.module)
end

function FireModule:__tostring__()
  return ('%s(%d -> %d -> %d(1x1) + %d(3x3), %s)'):format(torch.type(self), self.nInputPlane,
    self.s1x1, self.e1x1, self.e3x3, self.activation)
end
