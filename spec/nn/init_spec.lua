-- nn.init: distributions and forms of first values.
local torch, nn = require 'torch', require 'nn'

local init = nn.init

local function near(expected, got, share)
  assert.is_true(math.abs(expected - got) <= share * math.abs(expected),
    ('%g expected, got %g'):format(expected, got))
end

describe('nn.init', function()
  it('draws with the right spread', function()
    torch.manualSeed(1)
    local weight = torch.Tensor(50, 20, 3, 3) -- 180 inputs, 450 outputs
    local stds = {
      xavier_uniform = {math.sqrt(2 / 630)}, xavier_normal = {math.sqrt(2 / 630)},
      kaiming_uniform = {math.sqrt(2 / 180)}, kaiming_normal = {math.sqrt(2 / 180)},
    }
    for name, wanted in pairs(stds) do
      assert.is_true(rawequal(weight, init[name](weight)))
      near(wanted[1], weight:std(), 0.03)
      assert.is_true(math.abs(weight:mean()) < 0.005)
    end
    init.xavier_uniform(weight, 2)
    near(2 * math.sqrt(6 / 630), weight:max(), 0.01)
    init.kaiming_uniform(weight, 1, 'fan_out', 'leaky_relu')
    near(math.sqrt(3 / 450), weight:max(), 0.01)
    init.kaiming_normal(weight, 0, 'fan_in', 'tanh')
    near(5 / 3 / math.sqrt(180), weight:std(), 0.03)
    near(0.5, init.normal(weight, 3, 0.5):std(), 0.03)
    near(3, weight:mean(), 0.01)
    init.uniform(weight, -1, 3)
    near(1, weight:mean(), 0.05)
    assert.equal(7, init.constant(weight, 7):max())
  end)

  it('cuts the normal distribution off', function()
    torch.manualSeed(1)
    local weight = init.trunc_normal(torch.Tensor(100, 100), 1, 2, 0, 4)
    assert.is_true(weight:min() >= 0 and weight:max() <= 4)
    near(1.7126, weight:mean(), 0.02) -- of this distribution
    assert.has_error(function() init.trunc_normal(weight, 0, 1, 2, -2) end)
  end)

  it('makes matrices of special forms', function()
    for _, sizes in ipairs {{4, 6}, {6, 4}, {3, 2, 2}} do
      local weight = init.orthogonal(torch.DoubleTensor(torch.LongStorage(sizes)), 2)
      local matrix = weight:view(sizes[1], -1)
      local rows, columns = matrix:size(1), matrix:size(2)
      local product = rows < columns and matrix * matrix:t() or matrix:t() * matrix
      assert.is_true((product - torch.eye(math.min(rows, columns)):double() * 4):abs():max() < 1e-9)
    end
    assert.are.same({{1, 0, 0}, {0, 1, 0}}, init.eye(torch.Tensor(2, 3)):totable())
    assert.are.same({{{0, 1, 0}, {0, 0, 0}}, {{0, 0, 0}, {0, 1, 0}}},
      init.dirac(torch.Tensor(2, 2, 3)):totable())
    local grouped = init.dirac(torch.Tensor(4, 2, 1), 2):view(4, 2)
    assert.are.same({{1, 0}, {0, 1}, {1, 0}, {0, 1}}, grouped:totable())
    local sparse = init.sparse(torch.Tensor(10, 4), 0.25)
    for column = 1, 4 do assert.equal(3, sparse:select(2, column):eq(0):long():sum()) end
  end)

  it('writes into parameters, whatever is recorded', function()
    local layer = nn.Linear(3, 2)
    init.xavier_uniform(layer.weight)
    init.sparse(layer.weight, 0.5)
    init.dirac(nn.Module.parameter(layer, 'kernel', 2, 2, 3))
    init.constant(layer.bias, 0)
    assert.is_true(layer.weight.is_leaf and layer.weight.requires_grad)
    assert.equal(0, layer.bias:detach():norm())
  end)

  it('knows gains, and tells what is wrong', function()
    assert.equal(math.sqrt(2), init.calculate_gain('relu'))
    assert.equal(math.sqrt(2 / 1.04), init.calculate_gain('leaky_relu', 0.2))
    assert.equal(1, init.calculate_gain('linear'))
    for message, fn in pairs {
      ['one of .*leaky_relu.* expected, got swush'] = function() init.calculate_gain('swush') end,
      ['2 or more dimensions expected, got one of 1'] = function()
        init.xavier_normal(torch.Tensor(3))
      end,
      ['floating%-point tensor expected, got torch.LongTensor'] = function()
        init.normal(torch.LongTensor(3))
      end,
      ['fan_in or fan_out expected, got fan'] = function()
        init.kaiming_normal(torch.Tensor(3, 3), 0, 'fan')
      end,
    } do
      local ok, got = pcall(fn)
      assert.is_false(ok)
      assert.is_truthy(got:find('init_spec.lua:%d+: nn.init'), got)
      assert.is_truthy(got:find(message), got)
    end
  end)
end)
