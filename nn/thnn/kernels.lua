--- Torch7's kernels by name: in which order each takes its arguments, and what does the same here.
-- A row's forward, backward and accumulate are the lists of their arguments. The work is that of a
-- module of class nn[class], whose fields have the same names, or of `compute`.
--   compute(a)     the output from a.input and the rest
--   gradient(a)    the input's gradient from a.output and a.gradOutput
--   module(a, m)   sets what has another name in the module
local torch = require 'torch'

local kernels = {}

-- ---------------------------------------------------------------------------------------------
-- Functions of each element.

local function elements(name, rest, row)
  row = row or {class = name}
  row.forward = 'input output ' .. rest
  row.backward = 'input gradOutput gradInput ' .. rest
  kernels[name] = row
end

elements('Abs', '')
elements('Square', '')
elements('HardShrink', 'lambda')
elements('SoftShrink', 'lambda')
elements('HardTanh', 'min_val max_val inplace')
elements('LeakyReLU', 'negval inplace')
elements('Threshold', 'threshold val inplace')
elements('GatedLinear', 'dim', {class = 'GatedLinearUnit'})
elements('SpatialReflectionPadding', 'pad_l pad_r pad_t pad_b')
elements('SpatialReplicationPadding', 'pad_l pad_r pad_t pad_b')
elements('VolumetricReplicationPadding', 'pleft pright ptop pbottom pfront pback')
elements('SpatialUpSamplingNearest', 'scale_factor')
elements('SpatialAveragePooling', 'kW kH dW dH padW padH ceil_mode count_include_pad')
elements('VolumetricAveragePooling', 'kT kW kH dT dW dH padT padW padH ceil_mode count_include_pad')

-- The input may be missing in backward: what counts is the output.
local function by_output(name, rest, gradient, back)
  kernels[name] = {class = name, gradient = gradient, forward = 'input output ' .. rest,
    backward = 'input gradOutput gradInput output ' .. (back or rest),
    short = 'gradOutput gradInput output ' .. (back or rest)}
end

by_output('Sigmoid', '', function(a)
  return torch.cmul(a.gradOutput, torch.cmul(a.output, 1 - a.output))
end)
by_output('Tanh', '', function(a)
  return torch.cmul(a.gradOutput, 1 - torch.square(a.output))
end)
by_output('Sqrt', 'eps', function(a)
  return torch.cdiv(a.gradOutput, a.output * 2):maskedFill(a.output:eq(0), 0)
end, '')
by_output('ELU', 'alpha inplace', function(a)
  local slopes = (a.output + a.alpha):maskedFill(a.output:gt(0), 1)
  return torch.cmul(a.gradOutput, slopes)
end)
by_output('SoftPlus', 'beta threshold', function(a)
  local slopes = 1 - torch.exp(a.output * -a.beta)
  return torch.cmul(a.gradOutput, slopes:maskedFill((a.output * a.beta):gt(a.threshold), 1))
end)

-- The dimension of the classes, as in nn.SoftMax.
local function class_dim(tensor)
  local count = tensor:dim()
  return (count == 1 or count == 3) and 1 or 2
end

by_output('SoftMax', '', function(a)
  local weighted = torch.cmul(a.gradOutput, a.output)
  return weighted - torch.cmul(a.output, weighted:sum(class_dim(a.output)):expandAs(a.output))
end)
by_output('LogSoftMax', '', function(a)
  local total = a.gradOutput:sum(class_dim(a.output)):expandAs(a.output)
  return a.gradOutput - torch.cmul(torch.exp(a.output), total)
end)

kernels.LogSigmoid = {class = 'LogSigmoid', forward = 'input output buffer',
  backward = 'input gradOutput gradInput buffer'}
kernels.FeatureLPPooling = {class = 'FeatureLPPooling',
  forward = 'input output power width stride batch_mode',
  backward = 'gradOutput input output gradInput power width stride batch_mode'}
kernels.PReLU = {class = 'PReLU', forward = 'input output weight nOutputPlane',
  backward = 'input gradOutput gradInput weight nOutputPlane',
  accumulate = 'input gradOutput gradInput weight gradWeight buffer buffer2 nOutputPlane scale'}

local function mean_slope(a) return (a.lower + a.upper) / 2 end

-- In training `noise` keeps the slopes.
kernels.RReLU = {forward = 'input output noise lower upper train inplace generator',
  backward = 'input gradOutput gradInput noise lower upper train inplace',
  compute = function(a)
    if not a.train then return torch.leaky_relu(a.input, mean_slope(a)) end
    if a.output then
      a.noise:resizeAs(a.input):uniform(a.lower, a.upper):maskedFill(a.input:gt(0), 1)
    end
    return torch.cmul(a.input, a.noise)
  end}

-- ---------------------------------------------------------------------------------------------
-- Losses.

local function loss(name, rest, row)
  row = row or {class = name}
  row.is_loss = true
  row.forward = 'input target output ' .. rest
  row.backward = 'input target gradInput ' .. rest
  kernels[name] = row
end

loss('AbsCriterion', 'sizeAverage')
loss('MSECriterion', 'sizeAverage')
loss('SmoothL1Criterion', 'sizeAverage')
loss('SoftMarginCriterion', 'sizeAverage')
loss('DistKLDivCriterion', 'sizeAverage')
loss('BCECriterion', 'sizeAverage weights')
loss('MarginCriterion', 'sizeAverage margin')
loss('MultiMarginCriterion', 'sizeAverage p weights margin')
loss('ClassNLLCriterion', 'sizeAverage weights total_weight ignoreIndex')
loss('SpatialClassNLLCriterion', 'sizeAverage weights total_weight ignoreIndex')
kernels.MultiLabelMarginCriterion = {class = 'MultiLabelMarginCriterion', is_loss = true,
  forward = 'input target output isTarget sizeAverage',
  backward = 'input target gradInput isTarget sizeAverage'}
kernels.L1Cost = {class = 'L1Cost', is_loss = true, forward = 'input output',
  backward = 'input gradOutput gradInput'}

-- ---------------------------------------------------------------------------------------------
-- Windows.

local function maxima(name, rest, back, row)
  row = row or {class = name}
  row.forward = 'input output indices ' .. rest
  row.backward = 'input gradOutput gradInput indices ' .. (back or rest)
  kernels[name] = row
end

maxima('SpatialMaxPooling', 'kW kH dW dH padW padH ceil_mode')
maxima('SpatialDilatedMaxPooling', 'kW kH dW dH padW padH dilationW dilationH ceil_mode')
maxima('VolumetricMaxPooling', 'kT kW kH dT dW dH padT padW padH ceil_mode')
maxima('VolumetricDilatedMaxPooling',
  'kT kW kH dT dW dH padT padW padH dilationT dilationW dilationH ceil_mode')
maxima('TemporalMaxPooling', 'kW dW')

-- The size of the output, which only forward is told.
local function output_size(a, module)
  if a.W then return end
  module.H, module.W = a.gradOutput:size(-2), a.gradOutput:size(-1)
end

maxima('SpatialAdaptiveMaxPooling', 'W H', '',
  {class = 'SpatialAdaptiveMaxPooling', module = output_size})
kernels.SpatialAdaptiveAveragePooling = {class = 'SpatialAdaptiveAveragePooling',
  module = output_size, forward = 'input output W H', backward = 'input gradOutput gradInput'}

-- An unpooling asks its pooling where the maxima were, and how large the image was.
kernels.SpatialMaxUnpooling = {class = 'SpatialMaxUnpooling',
  forward = 'input output indices owidth oheight',
  backward = 'input gradOutput gradInput indices owidth oheight',
  module = function(a, module)
    module.pooling = torch.factory('nn.SpatialMaxPooling')()
    module.pooling.indices, module.pooling.ceil_mode = a.indices, false
    module.pooling.iheight, module.pooling.iwidth = a.oheight, a.owidth
  end}

-- ---------------------------------------------------------------------------------------------
-- Convolutions, which are linear in their weights: the gradients of these need no values of theirs.

local function convolution(name, buffers, rest, row)
  local one = buffers:match('^%S+')
  row = row or {class = name}
  row.forward = ('input output weight bias %s %s'):format(buffers, rest)
  local back_buffers = row.one and one or buffers
  row.backward = ('input gradOutput gradInput weight %s %s'):format(back_buffers, rest)
  row.accumulate = ('input gradOutput gradWeight gradBias %s %s scale'):format(buffers, rest)
  kernels[name] = row
end

-- Channels from the sizes of the weight, which may be a matrix.
local function plain_channels(a, module)
  local weight = module.weight
  module.nOutputPlane = weight:size(1)
  local window = (a.kT or 1) * (a.kW or 1) * (a.kH or 1)
  module.nInputPlane = weight:dim() == 2 and weight:size(2) / window or weight:size(2)
end

local function full_channels(_, module)
  module.nInputPlane, module.nOutputPlane = module.weight:size(1), module.weight:size(2)
end

-- The window's size, where the arguments leave it out.
local function window_of_weight(a, module)
  local weight = module.weight
  a.kT, a.kH, a.kW = weight:size(3), weight:size(4), weight:size(5)
  module.kT, module.kH, module.kW = a.kT, a.kH, a.kW
end

local WINDOW = 'kW kH dW dH padW padH'

convolution('SpatialConvolutionMM', 'finput fgradInput', WINDOW,
  {class = 'SpatialConvolutionMM', module = plain_channels})
convolution('SpatialDilatedConvolution', 'columns ones', WINDOW .. ' dilationW dilationH',
  {class = 'SpatialDilatedConvolution', module = plain_channels, one = true})
convolution('SpatialFullConvolution', 'columns ones', WINDOW .. ' adjW adjH',
  {class = 'SpatialFullConvolution', module = full_channels, one = true})
convolution('VolumetricConvolution', 'finput fgradInput', 'dT dW dH padT padW padH',
  {class = 'VolumetricConvolution', module = function(a, module)
    window_of_weight(a, module)
    plain_channels(a, module)
  end})
convolution('VolumetricDilatedConvolution', 'columns ones',
  'kT kW kH dT dW dH padT padW padH dilationT dilationW dilationH',
  {class = 'VolumetricDilatedConvolution', module = plain_channels, one = true})
convolution('VolumetricFullConvolution', 'finput fgradInput',
  'dT dW dH padT padW padH adjT adjW adjH',
  {class = 'VolumetricFullConvolution', module = function(a, module)
    window_of_weight(a, module)
    full_channels(a, module)
  end})

-- In backward the bias is left out.
local function without_bias(module)
  module.bias = module.bias or torch.zeros_like(module.weight)
end

kernels.TemporalConvolution = {class = 'TemporalConvolution',
  forward = 'input output weight bias kW dW inputFrameSize outputFrameSize',
  backward = 'input gradOutput gradInput weight kW dW',
  accumulate = 'input gradOutput gradWeight gradBias kW dW scale',
  module = function(a, module) module.inputFrameSize = module.weight:size(2) / a.kW end}
kernels.TemporalSubSampling = {class = 'TemporalSubSampling',
  forward = 'input output weight bias kW dW inputFrameSize',
  backward = 'input gradOutput gradInput weight kW dW',
  accumulate = 'input gradOutput gradWeight gradBias kW dW scale',
  module = function(_, module)
    module.inputFrameSize = module.weight:size(1)
    without_bias(module)
  end}
kernels.SpatialSubSampling = {class = 'SpatialSubSampling',
  forward = 'input output weight bias kW kH dW dH',
  backward = 'input gradOutput gradInput weight kW kH dW dH',
  accumulate = 'input gradOutput gradWeight gradBias kW kH dW dH scale',
  module = function(_, module)
    module.nInputPlane = module.weight:size(1)
    without_bias(module)
  end}

return kernels
