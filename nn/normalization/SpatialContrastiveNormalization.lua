--- Subtractive, then divisive normalization of images by what is around each pixel.
local torch, nn = require 'torch', require 'nn'

local SpatialContrastiveNormalization =
  torch.class('nn.SpatialContrastiveNormalization', 'nn.Module')

--- See SpatialDivisiveNormalization.
function SpatialContrastiveNormalization:__init(nInputPlane, kernel, threshold, thresval)
  self.normalizers = {
    nn.SpatialSubtractiveNormalization(nInputPlane, kernel),
    nn.SpatialDivisiveNormalization(nInputPlane, kernel, threshold, thresval),
  }
end

--- The two modules inside.
function SpatialContrastiveNormalization:children()
  return self.normalizers
end

function SpatialContrastiveNormalization:updateOutput(input)
  return self.normalizers[2](self.normalizers[1](input))
end
