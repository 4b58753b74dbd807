--- The classes of `cudnn`: constructors and habits of Torch7's, on nn's layers.
local torch = require 'torch'
require 'nn'
require 'cudnn.recurrent'

-- What chooses cuDNN's algorithms by hand has nothing to choose here.
local function with_modes(class)
  function class:setMode(forward, backward_data, backward_weight)
    self.fmode, self.bdmode, self.bwmode = forward, backward_data, backward_weight
    return self
  end
  function class:resetMode() return self:setMode() end
  function class:resetWeightDescriptors() return self end
  function class:fastest(mode)
    self.fastest_mode = mode ~= false
    return self
  end
end

-- cudnn.SpatialConvolution(..., groups): channels in groups that do not mix.
local function with_groups(name, last)
  local class, parent = torch.class('cudnn.' .. name, 'nn.' .. name)
  function class:__init(...)
    local groups = select(last, ...) or 1
    local inputs, outputs = ...
    if type(groups) ~= 'number' or groups < 1 or groups % 1 ~= 0 or inputs % groups ~= 0
        or outputs % groups ~= 0 then
      error(('cudnn.%s: groups that divide the %s and %s planes expected, got %s'):format(name,
        tostring(inputs), tostring(outputs), tostring(groups)), 3)
    end
    parent.__init(self, ...)
    self.groups = groups
    if groups == 1 then return end
    local sizes = self.weight:size()
    sizes[2] = sizes[2] / groups
    self:parameter('weight', sizes)
    self:reset()
  end
  with_modes(class)
  return class
end

with_groups('SpatialConvolution', 9)
with_groups('VolumetricConvolution', 12)

for _, name in ipairs {'SpatialFullConvolution', 'VolumetricFullConvolution'} do
  with_modes((torch.class('cudnn.' .. name, 'nn.' .. name)))
end

-- A convolution over images of one channel, as wide as a frame.
do
  local class, parent = torch.class('cudnn.TemporalConvolution', 'nn.TemporalConvolution')
  --- padH: frames of zeros at both ends.
  function class:__init(inputFrameSize, outputFrameSize, kH, dH, padH)
    parent.__init(self, inputFrameSize, outputFrameSize, kH, dH)
    self.kH, self.padH = kH, padH or 0
  end
  function class:updateOutput(input)
    local single = torch.isTensor(input) and input:dim() == 2
    if single then input = input:unsqueeze(1) end
    if not torch.isTensor(input) or input:dim() ~= 3 or input:size(3) ~= self.inputFrameSize then
      error(('an input (batch, frames, %d) expected'):format(self.inputFrameSize), 0)
    end
    local rows = self.kH or self.kW
    local weight = self.weight:view(self.outputFrameSize, 1, rows, self.inputFrameSize)
    local step = self.kH and self.dH or self.dW
    local y = torch.conv2d(input:unsqueeze(2), weight, self.bias, {step or self.dW, 1},
      {self.padH or 0, 0})
    y = y:squeeze(4):transpose(2, 3)
    return single and y:squeeze(1) or y
  end
  with_modes(class)
end

-- ---------------------------------------------------------------------------------------------
-- Layers that differ in nothing but their names.

for name in ([[SpatialMaxPooling SpatialAveragePooling VolumetricMaxPooling
    VolumetricAveragePooling ReLU SoftMax LogSoftMax SpatialSoftMax SpatialLogSoftMax
    BatchNormalization SpatialBatchNormalization VolumetricBatchNormalization
    SpatialCrossMapLRN]]):gmatch('%S+') do
  torch.class('cudnn.' .. name, 'nn.' .. name)
end

-- These may be asked to work in place.
for _, name in ipairs {'Tanh', 'Sigmoid'} do
  local class, parent = torch.class('cudnn.' .. name, 'nn.' .. name)
  function class:__init(inplace)
    parent.__init(self)
    self.inplace = inplace or false
  end
end

do
  local class = torch.class('cudnn.ClippedReLU', 'nn.Module')
  --- min(max(x, 0), ceiling)
  function class:__init(ceiling, inplace)
    if type(ceiling) ~= 'number' then
      error('cudnn.ClippedReLU: a number as ceiling expected, got ' .. type(ceiling), 3)
    end
    self.ceiling, self.inplace = ceiling, inplace or false
  end
  function class:updateOutput(input) return torch.clamp(input, 0, self.ceiling) end
end

-- Along the classes at each place of a volume: (class, t, y, x), a batch of them in front or not.
for _, name in ipairs {'SoftMax', 'LogSoftMax'} do
  local class = torch.class('cudnn.Volumetric' .. name, 'nn.' .. name)
  function class:dimension_of(input)
    local n = torch.isTensor(input) and input:dim() or 0
    if n ~= 4 and n ~= 5 then
      error(('an input (batch, class, t, y, x) expected, got %d dimensions'):format(n), 0)
    end
    return n - 3
  end
end

do
  local class = torch.class('cudnn.SpatialDivisiveNormalization', 'nn.Module')
  function class:__init()
    error('cudnn.SpatialDivisiveNormalization is not here: nn.SpatialDivisiveNormalization is', 3)
  end
end

--- weights: one for each class. input: (batch, class, ...), target: (batch, ...).
for _, name in ipairs {'Spatial', 'Volumetric'} do
  local class, parent = torch.class(('cudnn.%sCrossEntropyCriterion'):format(name),
    'nn.CrossEntropyCriterion')
  function class:__init(weights) parent.__init(self, weights) end
end
