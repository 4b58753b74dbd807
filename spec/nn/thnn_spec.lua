-- Torch7's kernels under their old names, against the modules that do the same.
local torch, nn = require 'torch', require 'nn'
local tensors = require 'spec.support.tensors'

local has_ffi = pcall(require, 'ffi')

-- A tensor as old modules hand it over: as a pointer, where there are any.
local function given(value)
  if has_ffi and torch.isTensor(value) then return value:cdata() end
  return value
end

local function call(name, ...)
  local arguments, count = {...}, select('#', ...)
  for i = 1, count do arguments[i] = given(arguments[i]) end
  local kernels = torch.DoubleTensor.THNN or torch.DoubleTensor().THNN
  return kernels[name]((table.unpack or unpack)(arguments, 1, count))
end

local function randn(...) return torch.randn(...):double() end
local function new() return torch.DoubleTensor() end

local function near(wanted, got, what)
  tensors.assert_same(wanted:detach(), got, 1e-10, what)
end

local function list(text)
  local words = {}
  for word in text:gmatch('%S+') do words[#words + 1] = word end
  return words
end

local function numbers(module, text)
  local out = {}
  for i, word in ipairs(list(text)) do
    if word == 'false' then out[i] = false else out[i] = module[word] end
  end
  return out, #list(text)
end

local unpack = table.unpack or unpack

local function check(wanted_output, wanted_gradient, name, x, dy, forward, backward)
  local output, gradient = new(), new()
  forward(name .. '_updateOutput', x, output)
  near(wanted_output, output, name)
  backward(name .. '_updateGradInput', x, dy, gradient, output)
  near(wanted_gradient, gradient, name)
end

-- {module, input, the module's fields in the kernel's order}
local ELEMENTS = {
  {nn.Abs(), randn(2, 3), ''},
  {nn.Square(), randn(2, 3), ''},
  {nn.HardShrink(0.3), randn(2, 3), 'lambda'},
  {nn.SoftShrink(0.3), randn(2, 3), 'lambda'},
  {nn.HardTanh(-0.5, 0.6), randn(2, 3), 'min_val max_val false'},
  {nn.LeakyReLU(0.3), randn(2, 3), 'negval false'},
  {nn.Threshold(0.1, 0.05), randn(2, 3), 'threshold val false'},
  {nn.GatedLinearUnit(2), randn(2, 4), 'dim', 'GatedLinear'},
  {nn.SpatialReflectionPadding(1, 2, 1, 0), randn(2, 3, 4), 'pad_l pad_r pad_t pad_b'},
  {nn.SpatialReplicationPadding(1, 2, 1, 0), randn(2, 3, 4), 'pad_l pad_r pad_t pad_b'},
  {nn.VolumetricReplicationPadding(1, 2, 1, 0, 1, 1), randn(2, 3, 3, 4),
    'pleft pright ptop pbottom pfront pback'},
  {nn.SpatialUpSamplingNearest(2), randn(2, 3, 4), 'scale_factor'},
  {nn.SpatialAveragePooling(3, 2, 2, 1, 1, 0), randn(2, 5, 6),
    'kW kH dW dH padW padH ceil_mode count_include_pad'},
  {nn.VolumetricAveragePooling(2, 2, 2), randn(2, 4, 4, 4),
    'kT kW kH dT dW dH padT padW padH ceil_mode count_include_pad'},
}

local BY_OUTPUT = {
  {nn.Sigmoid(), randn(2, 3), ''},
  {nn.Tanh(), randn(2, 3), ''},
  {nn.Sqrt(), torch.rand(2, 3):double(), 'eps', ''},
  {nn.ELU(0.7), randn(2, 3), 'alpha false'},
  {nn.SoftPlus(2), randn(2, 3), 'beta threshold'},
  {nn.SoftMax(), randn(2, 3), ''},
  {nn.SoftMax(), randn(3, 2, 4), ''},
  {nn.LogSoftMax(), randn(2, 3), ''},
  {nn.LogSoftMax(), randn(4), ''},
}

local MAXIMA = {
  {nn.SpatialMaxPooling(3, 2, 2, 1, 1, 1):ceil(), randn(2, 6, 7),
    'kW kH dW dH padW padH ceil_mode'},
  {nn.SpatialDilatedMaxPooling(2, 2, 1, 1, 0, 0, 2, 1), randn(2, 6, 7),
    'kW kH dW dH padW padH dilationW dilationH ceil_mode'},
  {nn.VolumetricMaxPooling(2, 2, 2), randn(2, 4, 4, 4),
    'kT kW kH dT dW dH padT padW padH ceil_mode'},
  {nn.TemporalMaxPooling(2, 2), randn(6, 3), 'kW dW'},
  {nn.SpatialAdaptiveMaxPooling(3, 2), randn(2, 6, 7), 'W H', ''},
}

-- {module, input, names of the buffers' fields, of the numbers}
local CONVOLUTIONS = {
  {nn.SpatialConvolutionMM(3, 2, 3, 2, 2, 1, 1, 0), randn(2, 3, 5, 6), 2, 2,
    'kW kH dW dH padW padH'},
  {nn.SpatialDilatedConvolution(3, 2, 2, 2, 1, 1, 0, 1, 2, 2), randn(2, 3, 5, 6), 2, 1,
    'kW kH dW dH padW padH dilationW dilationH'},
  {nn.SpatialFullConvolution(3, 2, 3, 2, 2, 2, 1, 0, 1, 0), randn(2, 3, 3, 4), 2, 1,
    'kW kH dW dH padW padH adjW adjH'},
  {nn.VolumetricConvolution(3, 2, 2, 3, 2, 1, 1, 2, 0, 1, 0), randn(2, 3, 3, 4, 5), 2, 2,
    'dT dW dH padT padW padH'},
  {nn.VolumetricDilatedConvolution(3, 2, 2, 2, 2, 1, 1, 1, 0, 0, 0, 1, 2, 1), randn(1, 3, 3, 4, 5),
    2, 1, 'kT kW kH dT dW dH padT padW padH dilationT dilationW dilationH'},
  {nn.VolumetricFullConvolution(3, 2, 2, 2, 2, 2, 2, 2), randn(1, 3, 2, 3, 2), 2, 2,
    'dT dW dH padT padW padH adjT adjW adjH'},
}

local function name_of(case, alias) return alias or torch.type(case[1]):match('[^.]*$') end

local function run_module(module, x)
  module:double():zeroGradParameters()
  local y = module:forward(x):clone()
  local dy = torch.randn_like(y)
  return y, dy, module:backward(x, dy):clone()
end

describe('nn.THNN: the kernel of', function()
  for _, case in ipairs(ELEMENTS) do
    it(name_of(case, case[4]), function()
      local y, dy, d = run_module(case[1], case[2])
      local rest, n = numbers(case[1], case[3])
      check(y, d, name_of(case, case[4]), case[2], dy,
        function(name, x, output) call(name, x, output, unpack(rest, 1, n)) end,
        function(name, x, gradOutput, gradInput)
          call(name, x, gradOutput, gradInput, unpack(rest, 1, n))
        end)
    end)
  end

  for _, case in ipairs(BY_OUTPUT) do
    it(('%s of %d dimensions'):format(name_of(case), case[2]:dim()), function()
      local y, dy, d = run_module(case[1], case[2])
      local rest, n = numbers(case[1], case[3])
      local back, m = numbers(case[1], case[4] or case[3])
      check(y, d, name_of(case), case[2], dy,
        function(name, x, output) call(name, x, output, unpack(rest, 1, n)) end,
        function(name, x, gradOutput, gradInput, output)
          call(name, x, gradOutput, gradInput, output, unpack(back, 1, m))
          local other = new()
          call(name, gradOutput, other, output, unpack(back, 1, m))
          near(gradInput, other, name .. ' without its input')
        end)
    end)
  end

  for _, case in ipairs(MAXIMA) do
    it(name_of(case), function()
      local y, dy, d = run_module(case[1], case[2])
      local rest, n = numbers(case[1], case[3])
      local back, m = numbers(case[1], case[4] or case[3])
      local indices = torch.LongTensor()
      check(y, d, name_of(case), case[2], dy,
        function(name, x, output) call(name, x, output, indices, unpack(rest, 1, n)) end,
        function(name, x, gradOutput, gradInput)
          call(name, x, gradOutput, gradInput, indices, unpack(back, 1, m))
        end)
      assert.are.same(case[1].indices:totable(), indices:totable())
    end)
  end

  for _, case in ipairs(CONVOLUTIONS) do
    it(name_of(case), function()
      local module, x, buffers, back_buffers = case[1], case[2], case[3], case[4]
      local y, dy, d = run_module(module, x)
      local name = name_of(case)
      local rest, n = numbers(module, case[5])
      local function with(count)
        local all = {}
        for i = 1, count do all[i] = new() end
        for i = 1, n do all[count + i] = rest[i] end
        return all, count + n
      end
      local a, count = with(buffers)
      local output, gradient = new(), new()
      call(name .. '_updateOutput', x, output, module.weight:detach(), module.bias:detach(),
        unpack(a, 1, count))
      near(y, output, name)
      local b, back_count = with(back_buffers)
      call(name .. '_updateGradInput', x, dy, gradient, module.weight:detach(),
        unpack(b, 1, back_count))
      near(d, gradient, name)
      local weight, bias = torch.zeros_like(module.gradWeight), torch.zeros_like(module.gradBias)
      a[count + 1] = 0.5
      call(name .. '_accGradParameters', x, dy, weight, bias, unpack(a, 1, count + 1))
      near(module.gradWeight * 0.5, weight, name)
      near(module.gradBias * 0.5, bias, name)
    end)
  end

  it('layers over frames and sums of windows', function()
    local module, x = nn.TemporalConvolution(3, 4, 2, 2), randn(6, 3)
    local y, dy, d = run_module(module, x)
    local output, gradient = new(), new()
    local weight, bias = module.weight:detach(), module.bias:detach()
    call('TemporalConvolution_updateOutput', x, output, weight, bias, 2, 2, 3, 4)
    near(y, output)
    call('TemporalConvolution_updateGradInput', x, dy, gradient, weight, 2, 2)
    near(d, gradient)
    local sum = torch.zeros_like(module.gradWeight)
    call('TemporalConvolution_accGradParameters', x, dy, sum, torch.zeros(4):double(), 2, 2, 1)
    near(module.gradWeight, sum)
    for _, case in ipairs {{nn.TemporalSubSampling(3, 2, 2), randn(6, 3), 'kW dW'},
        {nn.SpatialSubSampling(3, 2, 2, 1, 1), randn(3, 4, 5), 'kW kH dW dH'}} do
      local name, layer = name_of(case), case[1]
      y, dy, d = run_module(layer, case[2])
      local rest, n = numbers(layer, case[3])
      call(name .. '_updateOutput', case[2], output, layer.weight:detach(), layer.bias:detach(),
        unpack(rest, 1, n))
      near(y, output, name)
      call(name .. '_updateGradInput', case[2], dy, gradient, layer.weight:detach(),
        unpack(rest, 1, n))
      near(d, gradient, name)
    end
  end)

  it('PReLU and LogSigmoid, which have tensors between', function()
    local module, x = nn.PReLU(3), randn(2, 3)
    local y, dy, d = run_module(module, x)
    local output, gradient, weight = new(), new(), module.weight:detach()
    call('PReLU_updateOutput', x, output, weight, 3)
    near(y, output)
    call('PReLU_updateGradInput', x, dy, gradient, weight, 3)
    near(d, gradient)
    local sum = torch.zeros(3):double()
    call('PReLU_accGradParameters', x, dy, gradient, weight, sum, new(), new(), 3, 1)
    near(module.gradWeight, sum)
    y, dy, d = run_module(nn.LogSigmoid(), x)
    call('LogSigmoid_updateOutput', x, output, new())
    near(y, output)
    call('LogSigmoid_updateGradInput', x, dy, gradient, new())
    near(d, gradient)
  end)

  it('RReLU, whose noise are the slopes', function()
    local x, output, noise, gradient = randn(2, 30), new(), new(), new()
    call('RReLU_updateOutput', x, output, noise, 0.1, 0.3, true, false, nil)
    near(torch.cmul(x, noise), output)
    assert.is_true(noise:min() >= 0.1 and noise:max() == 1)
    call('RReLU_updateGradInput', x, x, gradient, noise, 0.1, 0.3, true, false)
    near(output, gradient)
    call('RReLU_updateOutput', x, output, noise, 0.1, 0.3, false, false, nil)
    near(torch.leaky_relu(x, 0.2), output)
  end)

  it('losses', function()
    local sign = torch.sign(randn(3, 4))
    local classes, weights = torch.LongTensor {2, 4, 1}, torch.rand(4):double()
    local function check_loss(name, criterion, x, target, ...)
      local output, gradient = new(), new()
      call(name .. '_updateOutput', x, target, output, ...)
      assert.is_true(math.abs(criterion:double():forward(x, target) - output[1]) < 1e-10, name)
      call(name .. '_updateGradInput', x, target, gradient, ...)
      near(criterion:backward(x, target), gradient, name)
    end
    for _, name in ipairs {'AbsCriterion', 'MSECriterion', 'SmoothL1Criterion',
        'SoftMarginCriterion', 'DistKLDivCriterion'} do
      local sum = nn[name]()
      sum.sizeAverage = false
      check_loss(name, nn[name](), randn(3, 4), sign, true)
      check_loss(name, sum, randn(3, 4), sign, false)
    end
    local inside = torch.rand(3, 4):double():mul(0.8):add(0.1)
    check_loss('BCECriterion', nn.BCECriterion(), inside, sign:gt(0):double(), true, nil)
    check_loss('BCECriterion', nn.BCECriterion(weights), inside, sign:gt(0):double(), true, weights)
    check_loss('MarginCriterion', nn.MarginCriterion(0.4), randn(3, 4), sign, true, 0.4)
    check_loss('MultiMarginCriterion', nn.MultiMarginCriterion(2, weights, 0.5), randn(3, 4),
      classes, true, 2, weights, 0.5)
    check_loss('MultiLabelMarginCriterion', nn.MultiLabelMarginCriterion(), randn(2, 3),
      torch.LongTensor {{2, 1, 0}, {3, 0, 0}}, new(), true)
  end)

  it('ClassNLLCriterion, which tells the weight of all', function()
    local x, target = torch.log_softmax(randn(3, 4), 2), torch.LongTensor {2, 4, 1}
    local weights, output, total, gradient = torch.rand(4):double(), new(), new(), new()
    local criterion = nn.ClassNLLCriterion(weights, true, 4):double()
    call('ClassNLLCriterion_updateOutput', x, target, output, true, weights, total, 4)
    local loss, weight = criterion:forward(x, target)
    assert.is_true(math.abs(loss - output[1]) < 1e-10 and math.abs(weight - total[1]) < 1e-10)
    call('ClassNLLCriterion_updateGradInput', x, target, gradient, true, weights, total, 4)
    near(criterion:backward(x, target), gradient)
  end)

  it('L1Cost, pooling to a size and unpooling', function()
    local x, output, gradient = randn(2, 4, 6), new(), new()
    call('L1Cost_updateOutput', x, output)
    assert.is_true(math.abs(x:norm(1) - output[1]) < 1e-10)
    call('L1Cost_updateGradInput', x, nil, gradient)
    near(torch.sign(x), gradient)
    local y, dy, d = run_module(nn.SpatialAdaptiveAveragePooling(3, 2), x)
    call('SpatialAdaptiveAveragePooling_updateOutput', x, output, 3, 2)
    near(y, output)
    call('SpatialAdaptiveAveragePooling_updateGradInput', x, dy, gradient)
    near(d, gradient)
    local pooling = nn.SpatialMaxPooling(2, 2)
    local small = pooling:double():forward(x):clone()
    y, dy, d = run_module(nn.SpatialMaxUnpooling(pooling), small)
    call('SpatialMaxUnpooling_updateOutput', small, output, pooling.indices, 6, 4)
    near(y, output)
    call('SpatialMaxUnpooling_updateGradInput', small, dy, gradient, pooling.indices, 6, 4)
    near(d, gradient)
  end)

  it('BatchNormalization, training and in use', function()
    local x = randn(4, 3, 2, 2)
    local module = nn.SpatialBatchNormalization(3):double()
    local mean, var = torch.zeros(3):double(), torch.ones(3):double()
    local save_mean, save_std, output = new(), new(), new()
    for _, train in ipairs {true, false} do
      module.train = train
      local y, dy, d = run_module(module, x)
      local weight, bias = module.weight:detach(), module.bias:detach()
      call('BatchNormalization_updateOutput', x, output, weight, bias, mean, var, save_mean,
        save_std, train, 0.1, 1e-5)
      near(y, output)
      near(module.running_mean, mean)
      near(module.running_var, var)
      local gradient, w, b = new(), torch.zeros(3):double(), torch.zeros(3):double()
      call('BatchNormalization_backward', x, dy, gradient, w, b, weight, mean, var, save_mean,
        save_std, train, 1, 1e-5)
      near(d, gradient)
      near(module.gradWeight, w)
      near(module.gradBias, b)
    end
    assert.is_true(math.abs(save_mean[2] - x:select(2, 2):mean()) < 1e-10)
  end)
end)

describe('nn.THNN', function()
  it('works in place', function()
    local x, dy = torch.DoubleTensor {-1, 2}, torch.DoubleTensor {3, 4}
    local output, gradient = new(), new()
    call('Threshold_updateOutput', x, output, 0, 0, true)
    assert.are.same({0, 2}, x:totable())
    assert.is_true(output:isSetTo(x))
    call('Threshold_updateGradInput', x, dy, gradient, 0, 0, true)
    assert.are.same({0, 4}, dy:totable())
    assert.is_true(gradient:isSetTo(dy))
  end)

  it('serves a module as they were written for it', function()
    local Old, parent = torch.class('nn.OldTanh', 'nn.Module')
    function Old:__init() parent.__init(self) end
    function Old:updateOutput(input)
      input.THNN.Tanh_updateOutput(given(input), given(self.output))
      return self.output
    end
    function Old:updateGradInput(input, gradOutput)
      input.THNN.Tanh_updateGradInput(given(input), given(gradOutput), given(self.gradInput),
        given(self.output))
      return self.gradInput
    end
    local linear = nn.Linear(3, 2):double()
    local model, plain = nn.Sequential(linear, nn.OldTanh()), nn.Sequential(linear, nn.Tanh())
    model:double()
    local x, dy = randn(4, 3), randn(4, 2)
    near(plain:forward(x), model:forward(x))
    near(plain:backward(x, dy), model:backward(x, dy))
    near(plain(x), model(x))
  end)

  it('has its tables and helpers', function()
    local THNN = nn.THNN
    local x, output = torch.FloatTensor {-1, 2}, torch.FloatTensor()
    THNN.runKernel('Abs_updateOutput', x:type(), x, output)
    assert.are.same({1, 2}, output:totable())
    assert.equal(THNN.NULL, THNN.optionalTensor(nil))
    assert.is_true(THNN.optionalTensor(x) ~= nil)
    assert.equal(THNN.NULL, THNN.getState())
    local calls = {}
    local lib = {THNN_FloatGood = function(state, n) calls[#calls + 1] = {state, n} end}
    THNN.bind(lib, {'Good', 'Missing'}, 'Float', function() return 'state' end).Good(7)
    assert.are.same({{'state', 7}}, calls)
    assert.is_nil(x.THNN.Nonsense_updateOutput)
    assert.is_nil(torch.LongTensor().THNN)
  end)

  it('says what is wrong', function()
    local function fails(pattern, name, ...)
      local ok, message = pcall(call, name, ...)
      assert.is_false(ok)
      assert.is_truthy(message:find(pattern, 1, true), message)
    end
    local x = randn(2, 3)
    fails('argument 1 (input): a tensor or its cdata expected, got number; it takes (input, outp',
      'Threshold_updateOutput', 3, x)
    fails('there is no output', 'Threshold_updateOutput', x)
    fails('gradOutput of size 5 does not fit an output of size 2x3', 'Abs_updateGradInput', x,
      randn(5), new())
    fails('SpatialConvolutionMM_updateOutput', 'SpatialConvolutionMM_updateOutput', x, new(),
      randn(2, 2), nil, new(), new(), 1, 1, 1, 1, 0, 0)
    assert.is_false(pcall(nn.THNN.runKernel, 'Nonsense', 'torch.FloatTensor', x))
    assert.is_false(pcall(nn.THNN.runKernel, 'Abs_updateOutput', 'torch.LongTensor', x))
  end)
end)
