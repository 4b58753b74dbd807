--- Images (batch, channel, height, width) or volumes (batch, channel, depth, height, width)
-- enlarged.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local resize = require 'nn.pooling.resize'
require 'nn.Module'

local UpSampling = torch.class('nn.UpSampling', 'nn.Module')

local NAMES = {'odepth', 'oheight', 'owidth'}
local MODES = {nearest = {'nearest', 'nearest'}, linear = {'bilinear', 'trilinear'}}

--- params: a whole factor, or a table of sizes {odepth = , oheight = , owidth = }, the first for
-- volumes only. mode: 'nearest', the default, or 'linear', which leaves the corners what they are.
function UpSampling:__init(params, mode)
  resize.read(self, params, 'odepth', 'oheight', 'owidth')
  self.mode = mode or 'nearest'
  if not MODES[self.mode] then
    error(("nn.UpSampling: mode 'nearest' or 'linear' expected, got %s"):format(tostring(mode)), 0)
  end
end

-- Four dimensions are a batch of images, five one of volumes.
function UpSampling:updateOutput(input)
  local n = torch.isTensor(input) and input:dim() >= 5 and 3 or 2
  local x, batched = space.check(input, n)
  local mode = MODES[self.mode][n - 1]
  return space.as_batch(function(batch)
    return torch.interpolate(batch, resize.sizes(self, batch, n, NAMES), nil, mode,
      self.mode == 'linear')
  end, x, batched)
end

UpSampling.__tostring__ = resize.text
