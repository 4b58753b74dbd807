--- Convolutions of several sizes side by side, each behind one of 1x1 that leaves fewer channels, a
-- pooling, and a 1x1 convolution alone; their channels are joined. Szegedy et al. 2014,
-- arXiv:1409.4842.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
local images = require 'nn.layers.images'
require 'nn.containers.Decorator'

local Inception, Decorator = torch.class('nn.Inception', 'nn.Decorator')

-- Adds a convolution, normalisation where it is wanted, and a transfer function.
local function add_conv(config, chain, from, to, size, stride)
  local pad = config.padding ~= false and math.floor(size / 2) or 0
  chain:add(nn.SpatialConvolution(from, to, size, size, stride, stride, pad, pad))
  if config.batchNorm then chain:add(nn.SpatialBatchNormalization(to)) end
  chain:add((config.transfer or nn.ReLU()):clone())
end

local function pooling(config)
  if config.pool then return config.pool end
  local size, stride = config.poolSize or 3, config.poolStride or 1
  local pad = config.padding ~= false and math.floor(size / 2) or 0
  return nn.SpatialMaxPooling(size, size, stride, stride, pad, pad)
end

--- config: a table of
--   inputSize     channels of the input
--   outputSize    channels of each convolution's result: {192, 48}
--   reduceSize    channels of the 1x1 convolutions before them; then of those behind the pooling
--                 and of the one alone, both of which may be missing: {96, 16, 32, 64}
--   kernelSize, kernelStride, reduceStride    {5, 3}, all 1, all 1 by default
--   pool (or poolSize, poolStride), transfer, batchNorm, padding    nn.SpatialMaxPooling 3x3,
--                 nn.ReLU(), false, true by default
function Inception:__init(config)
  for _, name in ipairs {'inputSize', 'outputSize', 'reduceSize'} do
    if config[name] == nil then
      error(('nn.Inception: config.%s is missing'):format(name), 3)
    end
  end
  local kernels, reduce = config.kernelSize or {5, 3}, config.reduceSize
  local strides, reduce_strides = config.kernelStride or {}, config.reduceStride or {}
  local depth = nn.DepthConcat(2)
  for i, size in ipairs(kernels) do
    local chain = nn.Sequential()
    local channels = config.inputSize
    if reduce[i] then
      add_conv(config, chain, channels, reduce[i], 1, reduce_strides[i] or 1)
      channels = reduce[i]
    end
    add_conv(config, chain, channels, config.outputSize[i], size, strides[i] or 1)
    depth:add(chain)
  end
  local pool = nn.Sequential(pooling(config))
  local i = #kernels + 1
  if reduce[i] then
    add_conv(config, pool, config.inputSize, reduce[i], 1, reduce_strides[i] or 1)
  end
  depth:add(pool)
  if reduce[i + 1] then
    local alone = nn.Sequential()
    add_conv(config, alone, config.inputSize, reduce[i + 1], 1, reduce_strides[i + 1] or 1)
    depth:add(alone)
  end
  self.module = depth
  Decorator.__init(self, depth)
end

function Inception:updateOutput(input)
  local batch, single = images.batch(input)
  return images.like(run.call(self.modules[1], batch), single)
end
