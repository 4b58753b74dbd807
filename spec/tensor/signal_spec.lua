-- Convolution, pooling, padding, resizing, Fourier transforms: what samples and golden values
-- leave.
local tensors = require 'spec.support.tensors'

local function refused(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local function double(sizes)
  return torch.randn(torch.LongStorage(sizes), {dtype = 'float64'})
end

describe('conv2d', function()
  local x, w = double {2, 4, 5, 5}, double {6, 4, 3, 3}

  it('takes its parameters by position, in tables and by name', function()
    local y = torch.conv2d(x, w, nil, 2, 1)
    tensors.assert_same(y, torch.conv2d(x, w, nil, {2, 2}, {1, 1}))
    tensors.assert_same(y, torch.conv2d(x, w, nil, {2}, {1}))
    tensors.assert_same(y, torch.conv2d(x, w, {stride = 2, padding = 1}))
    tensors.assert_same(y, x:conv2d(w, {padding = {1, 1}, stride = {2, 2}}))
    assert.same({2, 6, 5, 5}, torch.conv2d(x, w, {padding = 'same'}):size():totable())
  end)

  it('writes into a result tensor', function()
    local res, bias = torch.DoubleTensor(), double {6}
    torch.conv2d(res, x, w, bias)
    tensors.assert_same(torch.conv2d(x, w, bias), res)
  end)

  it('takes one image, or none', function()
    tensors.assert_same(torch.conv2d(x, w)[1], torch.conv2d(x[1], w), 1e-12)
    assert.same({0, 6, 3, 3}, torch.conv2d(torch.zeros(0, 4, 5, 5):double(), w):size():totable())
  end)

  it('gives an empty batch gradients of 0', function()
    local none, weight = torch.zeros(0, 4, 5, 5):double(), w:clone()
    none.requires_grad, weight.requires_grad = true, true
    torch.conv2d(none, weight):sum():backward()
    assert.same({0, 4, 5, 5}, none.grad:size():totable())
    assert.equal(0, torch.abs(weight.grad):sum())
  end)

  it('is the same however the work is cut', function()
    -- large enough for several tiles, threads and blocks of channels
    local image, kernel = torch.randn(2, 3, 67, 71), torch.randn(20, 3, 3, 5)
    local y = torch.conv2d(image, kernel, nil, 1, {1, 2})
    local columns = torch.im2col(image, {3, 5}, 1, {1, 2})
    for n = 1, 2 do
      local product = torch.mm(kernel:view(20, 45), columns[n])
      tensors.assert_same(product:view(20, 67, 71), y[n], 1e-4)
    end
  end)

  it('says what does not fit', function()
    refused('a kernel of size 3 with dilation 3 does not fit an input of size 5',
      torch.conv2d, x, w, {dilation = 3})
    refused('input of 3 or 4 dimensions', torch.conv2d, double {4}, w)
    refused('a weight of 4 dimensions', torch.conv2d, x, double {6, 4, 3})
    refused('cannot be parted into 3 groups', torch.conv2d, x, w, {groups = 3})
    refused('do not fit each other', torch.conv2d, x, w, {groups = 2})
    refused('one dtype', torch.conv2d, x, w:float())
    refused('a bias of 6 values', torch.conv2d, x, w, double {5})
    refused('stride: a number from 1', torch.conv2d, x, w, nil, 0)
    refused('padding: a number from 0', torch.conv2d, x, w, nil, 1, -1)
    refused('2 numbers expected, got more', torch.conv2d, x, w, nil, {1, 2, 3})
    refused("needs a stride of 1", torch.conv2d, x, w, nil, 2, 'same')
    refused('none of', torch.conv2d, x, w, nil, 1, 'full')
    refused('out of range', torch.conv2d, x, w, {groups = 0})
    refused('expected', torch.conv2d, x, w, {stride = 2 ^ 60})
    refused('output padding', torch.conv_transpose2d, x, double {4, 1, 2, 2}, {output_padding = 1})
  end)
end)

describe("Torch7's convolutions", function()
  it('take every integer type', function()
    local x = torch.IntTensor {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}
    local k = torch.IntTensor {{1, 0}, {0, 2}}
    assert.same({{7, 10}, {16, 19}}, torch.conv2(x, k):totable())
    assert.same({{11, 14}, {20, 23}}, torch.xcorr2(x, k):totable())
    assert.equal('torch.IntTensor', torch.conv2(x, k):type())
    assert.same({4, 4}, x:conv2(k, 'F'):size():totable())
    local res = torch.IntTensor()
    res:xcorr2(x, k, 'V')
    assert.same({{11, 14}, {20, 23}}, res:totable())
  end)

  it('refuse kernels that do not fit', function()
    refused('does not fit into an image', torch.conv2, double {2, 2}, double {3, 1})
    refused('planes', torch.conv2, double {2, 4, 4}, double {3, 2, 2})
    refused('none of V,F', torch.conv2, double {4, 4}, double {2, 2}, 'X')
  end)
end)

describe('pooling', function()
  it('takes integers, and says where the greatest lie', function()
    local x = torch.LongTensor {{{1, 5, 2}, {9, 3, 9}}}
    local values, places = torch.max_pool2d(x, {2, 3})
    assert.equal(9, values[{1, 1, 1}])
    assert.equal(4, places[{1, 1, 1}])
    assert.equal('torch.LongTensor', values:type())
  end)

  it('refuses windows that hold nothing', function()
    local x = double {1, 4, 4}
    refused('more than half', torch.max_pool2d, x, 2, 1, 2)
    refused('does not fit', torch.max_pool2d, x, 5)
    refused('window: a number from 1', torch.avg_pool2d, x, 0)
    refused('the divisor must not be 0', torch.avg_pool2d, x, {kernel = 2, divisor = 0})
    refused('expected', torch.avg_pool2d, x:long(), 2)
    refused('3 dimensions or more', torch.max_pool2d, double {4, 4}, 2)
    refused('size: a number from 1', torch.adaptive_avg_pool2d, x, 0)
  end)

  it('takes an empty batch', function()
    assert.same({0, 3, 2}, torch.max_pool1d(double {0, 3, 4}, 2):size():totable())
    assert.same({0, 3, 2}, torch.adaptive_avg_pool1d(double {0, 3, 4}, 2):size():totable())
  end)
end)

describe('pad', function()
  it('refuses what does not fit', function()
    local x = double {2, 3}
    refused('two paddings', torch.pad, x, {1})
    refused('two paddings', torch.pad, x, {1, 1, 1, 1, 1, 1})
    refused('too much', torch.pad, x, {3, 0}, 'reflect')
    refused('too much', torch.pad, x, {4, 0}, 'circular')
    refused('too much', torch.pad, double {2, 0}, {1, 0}, 'replicate')
    refused('do not fit', torch.pad, x, {-2, -2})
    refused('memory', torch.pad, x, {2 ^ 45, 0})
    refused('none of', torch.pad, x, {1, 1}, 'mirror')
  end)

  it('gives the constant its type', function()
    assert.same({7, 1, 2}, torch.pad(torch.ByteTensor {1, 2}, {1, 0}, 'constant', 7):totable())
    assert.same({2, 5}, torch.pad(torch.zeros(2, 0), {3, 2}):size():totable())
  end)
end)

describe('interpolate', function()
  it('refuses what does not fit', function()
    local x = double {1, 1, 4, 4}
    refused('either a size or a scale', torch.interpolate, x)
    refused('either a size or a scale', torch.interpolate, x, 2, 2)
    refused('needs input of 3 dimensions', torch.interpolate, x, 2, nil, 'linear')
    refused('no corners', torch.interpolate, x, 2, nil, 'nearest', true)
    refused('scale of', torch.interpolate, x, nil, 0.1)
    refused('scale of', torch.interpolate, x, nil, 0 / 0)
    refused('scale of', torch.interpolate, x, nil, -1)
    refused('3 to 5 dimensions', torch.interpolate, double {4, 4}, 2)
  end)
end)

describe('torch.fft', function()
  it('gives frequencies', function()
    assert.same({0, 1, -2, -1}, torch.fft.fftfreq(4, 0.25):totable())
    tensors.assert_same(torch.Tensor {0, 0.2, 0.4, -0.4, -0.2}, torch.fft.fftfreq(5), 1e-6)
    assert.same({0, 0.5, 1}, torch.fft.rfftfreq(4, 0.5):totable())
    assert.same({0}, torch.fft.fftfreq(1):totable())
  end)

  it('takes real numbers as complex ones', function()
    local x = double {5}
    tensors.assert_same(torch.fft.fft(torch.complex(x)), torch.fft.fft(x))
    assert.same({3, 2}, torch.fft.fft(torch.LongTensor {1, 2, 3}):size():totable())
  end)

  it('takes parameters by name', function()
    local x = double {3, 4, 2}
    tensors.assert_same(torch.fft.fft(x, 5, 1, 'ortho'),
      torch.fft.fft(x, {n = 5, dim = 1, norm = 'ortho'}))
    tensors.assert_same(torch.fft.fftn(x, {2, 3}), torch.fft.fftn(x, {s = {2, 3}}))
    refused('no parameter is named m', torch.fft.fft, x, {n = 5, m = 1})
  end)

  it('is its own inverse for awkward sizes', function()
    for _, n in ipairs {1, 2, 9, 17, 34, 101, 128, 143, 210, 997} do
      local x = double {n, 2, 2}
      tensors.assert_same(x, torch.fft.ifft(torch.fft.fft(x, nil, 1), nil, 1), 1e-12)
      local y = double {2, n}
      tensors.assert_same(y, torch.fft.irfft(torch.fft.rfft(y), n), 1e-12)
    end
  end)

  it('refuses what does not fit', function()
    local x = double {3, 4, 2}
    refused('n must be a whole number', torch.fft.fft, x, 0)
    refused('n must be a whole number', torch.fft.fft, x, 1.5)
    refused('dimension 3 is out of range', torch.fft.fft, x, nil, 3)
    refused('norm is', torch.fft.fft, x, nil, nil, 'none')
    refused('a tensor expected', torch.fft.rfft, 'x')
    refused('named twice', torch.fft.fftn, x, nil, {1, -2})
    refused('at least one value', torch.fft_c2c, double {0, 2})
    refused('a last dimension of size 2', torch.fft_c2c, double {3})
    refused('3 complex values expected for 4', torch.fft_c2r, x, 4, -1)
  end)
end)

describe('stft', function()
  it('has an inverse', function()
    local x, w = double {2, 40}, torch.hann_window(16, {dtype = 'float64'})
    local y = torch.stft(x, 16, {window = w, hop_length = 4})
    assert.same({2, 9, 11, 2}, y:size():totable())
    tensors.assert_same(x, torch.istft(y, 16, {window = w, hop_length = 4}), 1e-12)
    assert.same({9, 11, 2}, torch.stft(x[1], 16, 4, 16, w):size():totable())
  end)

  it('has gradients', function()
    local w = torch.hann_window(4, {dtype = 'float64'})
    assert.is_true(torch.gradcheck(function(x) return torch.stft(x, 4, 2, 4, w) end,
      {double {9}}, {second = true}))
    assert.is_true(torch.gradcheck(function(z) return torch.istft(z, 4, 1) end, {double {3, 3, 2}}))
  end)
end)

describe('grid_sample', function()
  it('has gradients of the image and the grid', function()
    local x = double {1, 2, 3, 3}
    local grid = torch.DoubleTensor {{{{-0.7, 0.3}, {0.2, -0.4}}, {{0.9, 0.8}, {-1.4, 0.1}}}}
    for _, padding in ipairs {'zeros', 'border', 'reflection'} do
      assert.is_true(torch.gradcheck(function(image, g)
        return torch.grid_sample(image, g, 'bilinear', padding)
      end, {x, grid}, {second = true}))
    end
  end)

  it('gives 0 far outside, and where there is no place', function()
    local x, grid = torch.ones(1, 1, 2, 2), torch.Tensor {{{{1e30, 0}, {0 / 0, 0}}}}
    assert.same({0}, {torch.grid_sample(x, grid)[{1, 1, 1, 1}]})
    refused('a grid', torch.grid_sample, x, torch.zeros(1, 2, 2))
    refused('mode is', torch.grid_sample, x, grid, 'bicubic')
  end)
end)

describe('quantization', function()
  it('rounds to even at half and keeps to its range', function()
    local x = torch.Tensor {0.5, 1.5, 2.5, -0.5, -1.5, 1000, -1000, 0 / 0, 1 / 0, -1 / 0}
    assert.same({0, 2, 2, 0, -2, 127, -128, 0, 127, -128},
      torch.quantize_per_tensor(x, 1, 0, 'int8'):totable())
    assert.same({3, 5, 5, 3, 1, 255, 0, 3, 255, 0},
      torch.quantize_per_tensor(x, 1, 3, 'uint8'):totable())
    assert.equal('torch.IntTensor', torch.quantize_per_tensor(x, 1, 0, 'qint32'):type())
  end)

  it('comes back', function()
    local x = torch.Tensor {{0.5, 1}, {-4, 8}}
    local scales, zeros = torch.Tensor {0.25, 2}, torch.LongTensor {1, -1}
    local q = torch.quantize_per_channel(x, scales, zeros, 1)
    assert.same({{3, 5}, {-3, 3}}, q:totable())
    assert.same(x:totable(), torch.dequantize_per_channel(q, scales, zeros, 1):totable())
    assert.same({1, 2}, torch.dequantize(torch.CharTensor {2, 4}, 0.5):totable())
  end)

  it('refuses scales and zero points that are none', function()
    local x = torch.Tensor {1, 2}
    refused('a positive scale', torch.quantize_per_tensor, x, 0)
    refused('a positive scale', torch.quantize_per_tensor, x, 0 / 0)
    refused('zero point', torch.quantize_per_tensor, x, 1, 2 ^ 40)
    refused('2 scales and zero points', torch.quantize_per_channel, x, torch.ones(3),
      torch.zeros(3))
    refused('integers expected', torch.dequantize_per_tensor, x, 1)
    refused('floating%-point', torch.quantize_per_tensor, x:long(), 1)
  end)

  it('can be faked, and then lets gradients through', function()
    local x = torch.Tensor {-30, -0.26, 0.24, 3, 40}
    x.requires_grad = true
    local y = torch.fake_quantize(x, 0.5, 0, -8, 7)
    assert.same({-4, -0.5, 0, 3, 3.5}, y:totable())
    y:sum():backward()
    assert.same({0, 1, 1, 1, 0}, x.grad:totable())
    assert.same({{1, 2}, {1.5, 3}}, torch.fake_quantize_per_channel(
      torch.Tensor {{1.2, 2.4}, {1.7, 2.6}}, torch.Tensor {1, 1.5}, torch.zeros(2)):totable())
  end)
end)

-- Large enough for the library that small ones are not worth to be asked.
describe('large convolutions', function()
  local function compare(name, x_sizes, w_sizes, ...)
    local options = {...}
    local x, w = double(x_sizes), double(w_sizes)
    local b = double {w_sizes[1]}
    local function run(dtype)
      local inputs = {x:to(dtype), w:to(dtype), b:to(dtype)}
      for k = 1, 3 do
        inputs[k] = inputs[k]:detach():clone()
        inputs[k].requires_grad = true
      end
      local y = torch[name](inputs[1], inputs[2], inputs[3], (table.unpack or unpack)(options))
      local weights = (torch.cos(torch.range(1, y:nElement()):to(dtype)) + 1.5):viewAs(y:detach())
      local list = torch.grad({torch.cmul(y, weights):sum()}, inputs)
      list[4] = y:detach()
      return list
    end
    local narrow, wide = run('float32'), run('float64')
    for k = 1, 4 do
      local scale = torch.abs(wide[k]):max()
      assert.is_true(torch.abs(narrow[k]:double() - wide[k]):max() < 1e-5 * scale,
        name .. ', ' .. k)
    end
  end

  it('agree with those in float64', function()
    compare('conv2d', {5, 24, 30, 29}, {40, 24, 5, 3}, {2, 1}, {2, 0}, {1, 2})
    compare('conv2d', {1, 32, 40, 40}, {64, 32, 3, 3}, 1, 1)
    compare('conv2d', {1, 3, 90, 90}, {32, 3, 7, 7}, 1, 3)
    compare('conv2d', {3, 48, 33, 20}, {96, 16, 3, 3}, 1, 1, 1, 3)
    compare('conv2d', {3, 64, 40, 40}, {64, 1, 3, 3}, 1, 1, 1, 64)
    compare('conv1d', {5, 32, 601}, {48, 32, 7}, 1, 3)
    compare('conv3d', {2, 16, 9, 12, 11}, {32, 16, 3, 3, 3}, 1, 1)
  end)
end)
