-- Convolutions, poolings, paddings, resizing.
local torch, nn = require 'torch', require 'nn'

local function make(name, ...)
  local arguments, unpack = {n = select('#', ...), ...}, table.unpack or unpack
  return function() return nn[name](unpack(arguments, 1, arguments.n)) end
end

local function randn(...)
  local sizes = torch.LongStorage{...}
  return function() return torch.randn(sizes) end
end

-- No two elements so near each other that a difference changes which is greater; none near 0.
local function distinct(...)
  local sizes = torch.LongStorage{...}
  return function()
    local count = torch.zeros(sizes):nElement()
    return (torch.randperm(count):double() - (count / 2 + 0.3)):div(count / 4):view(sizes)
  end
end

local function connected(name, ...)
  local rest, unpack = {...}, table.unpack or unpack
  return function()
    return nn[name](torch.Tensor{{1, 1}, {2, 1}, {2, 3}, {1, 2}}, unpack(rest))
  end
end

local images, image = randn(2, 2, 4, 5), randn(2, 4, 5)
local volumes, volume = randn(2, 2, 3, 3, 2), randn(2, 3, 3, 2)
local sequences, sequence = randn(2, 5, 3), randn(5, 3)
local unlike, unlike_one = distinct(2, 2, 4, 5), distinct(2, 4, 5)
local unlike_volumes, unlike_volume = distinct(1, 2, 4, 3, 3), distinct(2, 4, 3, 3)
local unlike_sequences, unlike_sequence = distinct(2, 5, 3), distinct(5, 3)

local function positive(sizes) return function() return torch.rand(sizes) + 0.2 end end

-- A reverse of a pooling that has run.
local function unpooling(name, pooling, input)
  return function()
    local pool = nn[pooling](2, 2, 2)
    pool:forward(input())
    return nn[name](pool)
  end
end

return {
  SpatialConvolution = {make('SpatialConvolution', 2, 3, 3, 2, 2, 1, 1), images, single = image,
    batched = true},
  ['SpatialConvolution, no bias'] = {
    function() return nn.SpatialConvolution(2, 3, 2, 2):noBias() end, images},
  SpatialConvolutionMM = {make('SpatialConvolutionMM', 2, 2, 3, 2, 1, 2), images, single = image,
    batched = true},
  SpatialConvolutionLocal = {make('SpatialConvolutionLocal', 2, 2, 5, 4, 3, 2, 2, 1, 1), images,
    single = image, batched = true},
  SpatialConvolutionMap = {connected('SpatialConvolutionMap', 3, 2, 1, 2), images, single = image,
    batched = true},
  SpatialFullConvolutionMap = {connected('SpatialFullConvolutionMap', 3, 2, 1, 2),
    randn(1, 2, 3, 2), single = randn(2, 3, 2)},
  SpatialDilatedConvolution = {make('SpatialDilatedConvolution', 2, 2, 3, 2, 1, 1, 1, 1, 2, 1),
    images, single = image, batched = true},
  SpatialDepthWiseConvolution = {make('SpatialDepthWiseConvolution', 2, 2, 3, 2, 1, 1, 1), images,
    single = image, batched = true},
  SpatialFullConvolution = {make('SpatialFullConvolution', 2, 3, 3, 2, 2, 2, 1, 0, 1, 1),
    randn(2, 2, 3, 2), single = randn(2, 3, 2), batched = true},
  ['SpatialFullConvolution, to a size'] = {make('SpatialFullConvolution', 2, 2, 3, 2, 2, 2),
    function() return {torch.randn(1, 2, 2, 2), torch.randn(1, 1, 5, 6)} end},
  TemporalConvolution = {make('TemporalConvolution', 3, 2, 3, 2), sequences, single = sequence,
    batched = true},
  TemporalRowConvolution = {make('TemporalRowConvolution', 3, 2), sequences, single = sequence,
    batched = true},
  ['TemporalRowConvolution, features first'] = {make('TemporalRowConvolution', 5, 2, 1, true),
    sequences, single = sequence, batched = true},
  TemporalSubSampling = {make('TemporalSubSampling', 3, 3, 2), sequences, single = sequence,
    batched = true},
  SpatialSubSampling = {make('SpatialSubSampling', 2, 3, 2, 2, 1), images, single = image,
    batched = true},
  VolumetricConvolution = {make('VolumetricConvolution', 2, 2, 2, 2, 3, 1, 2, 1, 1), volumes,
    single = volume, batched = true},
  VolumetricDilatedConvolution = {
    make('VolumetricDilatedConvolution', 2, 2, 2, 1, 2, 1, 1, 1, 0, 0, 1, 2, 1, 2), volumes,
    single = volume, batched = true},
  VolumetricFullConvolution = {
    make('VolumetricFullConvolution', 2, 1, 2, 2, 3, 2, 1, 2, 1, 0, 1, 1, 0, 1),
    randn(1, 2, 2, 2, 2), single = randn(2, 2, 2, 2)},

  SpatialMaxPooling = {make('SpatialMaxPooling', 3, 2, 2, 1, 1, 1), unlike, single = unlike_one,
    batched = true},
  ['SpatialMaxPooling, ceil'] = {function() return nn.SpatialMaxPooling(2, 3):ceil() end, unlike,
    single = unlike_one},
  SpatialDilatedMaxPooling = {make('SpatialDilatedMaxPooling', 2, 2, 1, 1, 0, 0, 2, 1), unlike,
    single = unlike_one, batched = true},
  SpatialAveragePooling = {make('SpatialAveragePooling', 3, 2, 2, 1, 1, 1), images, single = image,
    batched = true},
  ['SpatialAveragePooling, without padding'] = {
    function() return nn.SpatialAveragePooling(3, 2, 2, 2, 1, 1):ceil():setCountExcludePad() end,
    images, single = image},
  SpatialAdaptiveMaxPooling = {make('SpatialAdaptiveMaxPooling', 3, 2), unlike,
    single = unlike_one, batched = true},
  SpatialAdaptiveAveragePooling = {make('SpatialAdaptiveAveragePooling', 3, 3), images,
    single = image, batched = true},
  SpatialFractionalMaxPooling = {make('SpatialFractionalMaxPooling', 2, 2, 0.6, 3), unlike,
    single = unlike_one, random = true},
  SpatialLPPooling = {make('SpatialLPPooling', 2, 2, 2, 2, 1, 2), unlike, single = unlike_one,
    batched = true},
  ['SpatialLPPooling, cubes'] = {make('SpatialLPPooling', 2, 3, 3, 2),
    positive(torch.LongStorage{2, 2, 4, 6})},
  SpatialMaxUnpooling = {unpooling('SpatialMaxUnpooling', 'SpatialMaxPooling', unlike),
    randn(2, 2, 2, 2)},
  FeatureLPPooling = {make('FeatureLPPooling', 2, 1, 2, true), unlike_sequences},
  ['FeatureLPPooling, no batch'] = {make('FeatureLPPooling', 3, 2, 3),
    positive(torch.LongStorage{7, 2})},
  TemporalMaxPooling = {make('TemporalMaxPooling', 3, 1), unlike_sequences,
    single = unlike_sequence, batched = true},
  TemporalDynamicKMaxPooling = {make('TemporalDynamicKMaxPooling', 2, 0.5), unlike_sequences,
    single = unlike_sequence, batched = true},
  VolumetricMaxPooling = {make('VolumetricMaxPooling', 2, 2, 2, 1, 1, 1, 1, 0, 1), unlike_volumes,
    single = unlike_volume, batched = true},
  VolumetricDilatedMaxPooling = {
    make('VolumetricDilatedMaxPooling', 2, 2, 1, 1, 1, 1, 0, 0, 0, 2, 1, 1), unlike_volumes,
    single = unlike_volume, batched = true},
  VolumetricAveragePooling = {make('VolumetricAveragePooling', 2, 2, 1, 1, 1, 1), unlike_volumes,
    single = unlike_volume, batched = true},
  VolumetricFractionalMaxPooling = {make('VolumetricFractionalMaxPooling', 2, 2, 2, 0.5, 2, 0.7),
    unlike_volumes, single = unlike_volume, random = true},
  VolumetricMaxUnpooling = {
    unpooling('VolumetricMaxUnpooling', 'VolumetricMaxPooling', unlike_volumes),
    randn(1, 2, 2, 1, 1)},

  SpatialZeroPadding = {make('SpatialZeroPadding', 1, -1, 2, 0), images, single = image,
    batched = true},
  SpatialReflectionPadding = {make('SpatialReflectionPadding', 2, 1, 3, 0), images, single = image,
    batched = true},
  SpatialReplicationPadding = {make('SpatialReplicationPadding', 2, -1, 1, 0), images,
    single = image, batched = true},
  VolumetricReplicationPadding = {make('VolumetricReplicationPadding', 1, 0, 0, 1, 1, 2), volumes,
    single = volume, batched = true},
  SpatialUpSamplingNearest = {make('SpatialUpSamplingNearest', 2), randn(2, 1, 2, 3),
    single = randn(1, 2, 3), batched = true},
  SpatialUpSamplingBilinear = {make('SpatialUpSamplingBilinear', {oheight = 5, owidth = 4}),
    randn(2, 1, 2, 3), single = randn(1, 2, 3), batched = true},
  UpSampling = {make('UpSampling', 2), randn(2, 1, 2, 3), single = randn(1, 2, 3), batched = true},
  ['UpSampling, volumes'] = {make('UpSampling', 2, 'linear'), randn(1, 1, 2, 2, 2)},
  SpatialSubtractiveNormalization = {make('SpatialSubtractiveNormalization', 2, torch.ones(3, 3)),
    images, single = image, batched = true},
  SpatialDivisiveNormalization = {
    make('SpatialDivisiveNormalization', 2, torch.Tensor{1, 2, 1}, 0.5, 0.4), images,
    single = image, batched = true},
  SpatialContrastiveNormalization = {make('SpatialContrastiveNormalization', 2, torch.ones(3, 5)),
    images, single = image, batched = true},
  SpatialCrossMapLRN = {make('SpatialCrossMapLRN', 3, 0.5, 0.7, 2), randn(2, 4, 2, 2),
    single = randn(4, 2, 2), batched = true},

  Conv1d = {make('Conv1d', 4, 2, 3, {padding = 'same', groups = 2}), randn(2, 4, 5),
    single = randn(4, 5), batched = true},
  Conv2d = {make('Conv2d', 2, 3, {2, 3}, 2, 1), images, single = image, batched = true},
  ['Conv2d, depthwise'] = {
    make('Conv2d', 2, 4, 3, {groups = 2, padding = 2, padding_mode = 'circular', bias = false}),
    images, single = image, batched = true},
  Conv3d = {make('Conv3d', 2, 2, 2, {padding = 1, padding_mode = 'reflect'}), volumes,
    single = volume},
  ConvTranspose1d = {make('ConvTranspose1d', 2, 2, 3, 2, 1, 1), randn(2, 2, 3),
    single = randn(2, 3), batched = true},
  ConvTranspose2d = {make('ConvTranspose2d', 2, 4, {2, 3}, {stride = 2, groups = 2, dilation = 2}),
    randn(2, 2, 3, 2), single = randn(2, 3, 2), batched = true},
  ConvTranspose3d = {make('ConvTranspose3d', 2, 1, 2, {bias = false}), randn(1, 2, 2, 2, 2),
    single = randn(2, 2, 2, 2)},
  MaxPool1d = {make('MaxPool1d', 2), distinct(2, 2, 5), single = distinct(2, 5), batched = true},
  MaxPool2d = {make('MaxPool2d', {3, 2}, {stride = 1, padding = 1}), unlike, single = unlike_one,
    batched = true},
  MaxPool3d = {make('MaxPool3d', 2, 1), unlike_volumes, single = unlike_volume},
  AvgPool1d = {make('AvgPool1d', 3, 1, 1), randn(2, 2, 5), single = randn(2, 5), batched = true},
  AvgPool2d = {make('AvgPool2d', 3, {stride = 2, padding = 1, count_include_pad = false}), images,
    single = image, batched = true},
  AvgPool3d = {make('AvgPool3d', 2, {stride = 1, divisor_override = 3}), volumes, single = volume},
  AdaptiveAvgPool1d = {make('AdaptiveAvgPool1d', 3), randn(2, 2, 5), single = randn(2, 5)},
  AdaptiveAvgPool2d = {make('AdaptiveAvgPool2d', {3, 0}), images, single = image, batched = true},
  AdaptiveAvgPool3d = {make('AdaptiveAvgPool3d', 2), volumes, single = volume},
  AdaptiveMaxPool1d = {make('AdaptiveMaxPool1d', 3), distinct(2, 2, 5), single = distinct(2, 5)},
  AdaptiveMaxPool2d = {make('AdaptiveMaxPool2d', 2), unlike, single = unlike_one, batched = true},
  AdaptiveMaxPool3d = {make('AdaptiveMaxPool3d', 2), unlike_volumes, single = unlike_volume},
  Upsample = {make('Upsample', {scale_factor = 2, mode = 'bicubic'}), randn(2, 1, 2, 3)},
  ['Upsample, to a size'] = {make('Upsample', 7, {mode = 'linear'}), randn(2, 1, 3)},
  PixelUnshuffle = {make('PixelUnshuffle', 2), randn(2, 1, 4, 2), single = randn(1, 4, 2),
    batched = true},
  Unfold = {make('Unfold', {2, 3}, {padding = 1, stride = 2}), images, single = image,
    batched = true},
  Fold = {make('Fold', {3, 4}, 2), randn(2, 8, 6), single = randn(8, 6), batched = true},
  ZeroPad2d = {make('ZeroPad2d', {1, -1, 0, 2}), images, single = image, batched = true},
  ReflectionPad2d = {make('ReflectionPad2d', 2), images, single = image, batched = true},
  ReplicationPad2d = {make('ReplicationPad2d', {0, 1, 2, 3}), images, single = image,
    batched = true},
  LocalResponseNorm = {make('LocalResponseNorm', 2, {alpha = 0.5}), randn(2, 3, 4)},
}
