--- The half of a DCGAN that tells images from a data set and made ones apart: convolutions, each of
-- which halves the size. The result (batch) is a logit, above 0 for images taken for real: its loss
-- is the cross-entropy of torch.sigmoid. Radford et al. 2016, arXiv:1511.06434.
--
--   nn.DCGANDiscriminator()          -- 64 x 64, 2,765,568 parameters
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local dcgan = require 'nn.models.dcgan'

local DCGANDiscriminator, Sequential = torch.class('nn.DCGANDiscriminator', 'nn.Sequential')

local KNOWN = {channels = options.size(3), width = options.size(64), size = dcgan.size(64)}

--- channels = 3; size = 64: height and width, a power of 2 from 8; width = 64: channels of the
-- first layer.
function DCGANDiscriminator:__init(given)
  Sequential.__init(self)
  local o = options.read('DCGANDiscriminator', given, KNOWN)
  local from = o.channels
  for i, width in ipairs(dcgan.widths(o)) do
    self:add(nn.Conv2d(from, width, 4, 2, 1, 1, 1, false))
    if i > 1 then self:add(nn.BatchNorm2d(width)) end -- not for what comes from the images
    self:add(nn.LeakyReLU(0.2, true))
    from = width
  end
  self:add(nn.Conv2d(from, 1, 4, 1, 0, 1, 1, false)):add(nn.View(1):setNumInputDims(3))
  self:add(nn.Squeeze(1, 1))
  dcgan.draw(self)
end

function DCGANDiscriminator:reset(stdv)
  Sequential.reset(self, stdv)
  if not stdv then dcgan.draw(self) end
end
