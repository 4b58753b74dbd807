--- SpatialConvolution whose weights have one absolute value for each output channel: its mean of
-- |w| times the sign of w. The gradient passes the signs where |w| <= 1. Rastegari et al. 2016,
-- XNOR-Net, arXiv:1603.05279.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
require 'nn.convolutions.SpatialConvolution'

local SpatialBinaryConvolution, SpatialConvolution =
  torch.class('nn.SpatialBinaryConvolution', 'nn.SpatialConvolution')

function SpatialBinaryConvolution:__init(...)
  SpatialConvolution.__init(self, ...)
end

-- The sign of w, whose slope counts as 1 from -1 to 1.
local function sign(w)
  local plain = w:detach()
  local signs = torch.sign(plain)
  if not w.requires_grad then return signs end
  local inside = torch.le(torch.abs(plain), 1):typeAs(plain)
  torch.record(function(d) return torch.cmul(d, inside) end, {w}, {signs})
  return signs
end

--- The weights that are used.
function SpatialBinaryConvolution:binary()
  local weight = self.weight
  local rows = torch.reshape(weight, weight:size(1), weight:nElement() / weight:size(1))
  local scale = torch.mean(torch.abs(rows), 2)
  return torch.reshape(torch.cmul(sign(rows), torch.expandAs(scale, rows:detach())), weight:size())
end

function SpatialBinaryConvolution:updateOutput(input)
  local checked = space.check(input, 2, self.nInputPlane, self.weight)
  return torch.conv2d(checked, self:binary(), self.bias, {self.dH, self.dW},
    {self.padH, self.padW})
end
