-- Running statistics, types and errors of the normalisations.
local nn = require 'nn'
local tensors = require 'spec.support.tensors'

local function fails(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, 'no error: ' .. pattern)
  assert.is_truthy(tostring(message):find(pattern, 1, true), message)
end

describe('batch normalisation', function()
  it('keeps running statistics, the variance over n - 1', function()
    local m = nn.BatchNorm1d(2)
    local x = torch.randn(8, 2):add(3)
    m(x)
    tensors.assert_same(x:mean(1):view(2) * 0.1, m.running_mean, 1e-6)
    tensors.assert_same(x:var(1):view(2) * 0.1 + 0.9, m.running_var, 1e-6)
    assert.equal(1, m.num_batches_tracked)
  end)

  it('takes the mean of all batches without a momentum', function()
    local m = nn.BatchNorm1d(2, nil, false)
    local a, b = torch.randn(4, 2), torch.randn(4, 2)
    m(a)
    m:forward(b)
    tensors.assert_same(((a:mean(1) + b:mean(1)) / 2):view(2), m.running_mean, 1e-6)
    tensors.assert_same(((a:var(1) + b:var(1)) / 2):view(2), m.running_var, 1e-6)
  end)

  it('goes by the running statistics in use, and leaves them', function()
    local m = nn.BatchNorm2d(2)
    m(torch.randn(4, 2, 3, 3))
    m:evaluate()
    local mean, x = m.running_mean:clone(), torch.randn(1, 2, 3, 3)
    local y = m(x)
    tensors.assert_same(mean, m.running_mean, 0)
    local wanted = (x - mean:view(1, 2, 1, 1)):cdiv(
      (m.running_var + 1e-5):sqrt():view(1, 2, 1, 1):expandAs(x))
    tensors.assert_same(wanted, y:detach(), 1e-5)
  end)

  it('goes by the batch always without running statistics', function()
    local m = nn.BatchNorm1d(2, nil, nil, true, false)
    local x = torch.randn(5, 2)
    local y = m(x):detach()
    m:evaluate()
    tensors.assert_same(y, m(x):detach(), 0)
    assert.is_nil(m.running_mean)
  end)

  it('begins anew with reset', function()
    local m = nn.BatchNorm1d(2)
    m.weight:uniform()
    m(torch.randn(5, 2))
    m:reset()
    assert.same({1, 1}, m.weight:totable())
    assert.same({0, 0}, m.running_mean:totable())
    assert.equal(0, m.num_batches_tracked)
  end)

  it('has no gradient for the statistics, and one for weight and bias', function()
    local m = nn.BatchNorm1d(2)
    assert.equal(2, #m:parameters())
    local x = torch.randn(5, 2)
    m:forward(x)
    m:backward(x, torch.ones(5, 2))
    assert.same({5, 5}, m.gradBias:totable())
  end)
end)

-- From 16 elements on a channel's are looped over by themselves; above 64 they fill no block.
describe('batch normalisation of images', function()
  for _, space in ipairs {{1, 1}, {3, 5}, {4, 4}, {8, 8}, {5, 13}, {11, 10}} do
    it(('of %d by %d is that of their columns'):format(space[1], space[2]), function()
      local x = torch.randn(3, 70, space[1], space[2]):double()
      local flat = x:transpose(1, 2):reshape(70, 3 * space[1] * space[2]):t():contiguous()
      local a, b = x:clone():requiresGrad(), flat:clone():requiresGrad()
      local w, v = torch.rand(70):double():requiresGrad(), torch.rand(70):double()
      local u = w:detach():clone():requiresGrad()
      local y = torch.batch_norm(a, nil, nil, w, v, true)
      local z = torch.batch_norm(b, nil, nil, u, v, true)
      local function as_columns(t)
        return t:detach():transpose(1, 2):reshape(70, flat:size(1)):t()
      end
      tensors.assert_same(z:detach(), as_columns(y), 1e-9, 'result')
      local dy = torch.randn(y:size()):double()
      y:backward(dy)
      z:backward(as_columns(dy):contiguous())
      tensors.assert_same(b.grad, as_columns(a.grad), 1e-9, 'gradient of x')
      tensors.assert_same(u.grad, w.grad, 1e-9, 'gradient of the weight')
    end)
  end
end)

describe('normalisation', function()
  it('calculates in half precision', function()
    for _, m in ipairs {nn.LayerNorm(8), nn.RMSNorm(8), nn.GroupNorm(2, 8), nn.BatchNorm1d(8)} do
      local x = torch.randn(4, 8)
      local wanted = m(x):detach()
      assert.is_true((m:clone():half()(x:half()):detach():float() - wanted):abs():max() < 5e-3)
    end
  end)

  it('is the same for any number of threads', function()
    local x, w = torch.randn(300, 96), torch.randn(96)
    local function gradients()
      local a, b = x:clone():requiresGrad(), w:clone():requiresGrad()
      torch.layer_norm(a, 96, b):sum():backward()
      return a.grad, b.grad
    end
    local threads = torch.getnumthreads()
    local dx, dw = gradients()
    torch.setnumthreads(1)
    local dx1, dw1 = gradients()
    torch.setnumthreads(threads)
    tensors.assert_same(dx, dx1, 0)
    tensors.assert_same(dw, dw1, 0)
  end)

  it('is exact far from 0', function()
    local x = torch.randn(4, 500):double() + 1000
    local wanted = torch.layer_norm(x, 500):float()
    assert.is_true((torch.layer_norm(x:float(), 500) - wanted):abs():max() < 1e-3)
  end)

  it('divides by the greatest singular value', function()
    local m = nn.SpectralNorm(nn.Linear(6, 4), {iterations = 60})
    local x = torch.randn(3, 6)
    local inner = m:get(1)
    local value = torch.linalg.svdvals(inner.weight:detach())[1]
    local wanted = torch.linear(x, inner.weight:detach() / value, inner.bias:detach())
    tensors.assert_same(wanted, m(x):detach(), 1e-4)
    assert.is_true(inner.weight.is_leaf)
    fails('nn.SpectralNorm {1} nn.Linear: input of size [3x5] has 5 features, expected 6', m,
      torch.randn(3, 5))
    assert.is_true(inner.weight.is_leaf)
    local conv = nn.SpectralNorm(nn.SpatialFullConvolution(2, 3, 2, 2), {dim = 2})
    assert.same({1, 3, 3, 3}, conv(torch.randn(1, 2, 2, 2)):size():totable())
  end)

  it('says what it expects', function()
    local x = torch.randn(2, 5, 4)
    fails('nn.BatchNorm1d: input has 5 channels, expected 3', nn.BatchNorm1d(3), x)
    fails('input has size 2x5x4, expected (batch, 3 channels, height, width)', nn.BatchNorm2d(3), x)
    fails('a variance needs more than 1 value per channel, got an input of size [1x3]',
      nn.BatchNorm1d(3), torch.randn(1, 3))
    fails('expected (3 channels, length) or (batch, 3 channels, length)', nn.InstanceNorm1d(3),
      torch.randn(3))
    fails('last sizes are [3] expected, got size [2x5x4]', nn.LayerNorm(3), x)
    fails('input has size 2x5x4, expected (batch, 4 channels, ...)', nn.GroupNorm(2, 4), x)
    fails('3 channels cannot be parted into 2 groups', nn.GroupNorm, 2, 3)
    fails('floating-point input expected, got int64', nn.LayerNorm(3), torch.LongTensor(2, 3))
    fails('nn.LayerNorm: a size', nn.LayerNorm)
    fails('nn.SpectralNorm: nn.Identity has no weight', nn.SpectralNorm, nn.Identity())
  end)
end)
