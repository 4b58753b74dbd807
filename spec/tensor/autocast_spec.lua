-- Mixed precision: what calculates in 16 bits, what does not, and that gradients flow through.
local torch = require 'torch'
local samples = require 'spec.support.samples'
local nn, optim, data = require 'nn', require 'optim', require 'data'

-- Eight bits of precision, and sums of rounded factors.
local function close(a, b, tolerance)
  local scale = torch.abs(b:float()):max() + 1e-3
  return torch.abs(a:float() - b:float()):max() <= (tolerance or 0.02) * scale
end

local function leaf(...) return torch.randn(...):requiresGrad(true) end

describe('torch.autocast', function()
  it('calculates products in bfloat16, with gradients of float32', function()
    local cases = {
      mm = {{40, 30}, {30, 20}}, bmm = {{3, 8, 9}, {3, 9, 4}}, mv = {{40, 30}, {30}},
      matmul = {{2, 3, 8, 9}, {9, 4}}, linear = {{2, 5, 16}, {8, 16}, {8}},
      addmm = {{40, 20}, {40, 30}, {30, 20}}, baddbmm = {{3, 8, 4}, {3, 8, 9}, {3, 9, 4}},
      conv1d = {{2, 3, 12}, {4, 3, 5}, {4}}, conv2d = {{2, 3, 9, 9}, {4, 3, 3, 3}, {4}},
      conv_transpose2d = {{2, 3, 5, 5}, {3, 4, 3, 3}, {4}},
    }
    for name, sizes in pairs(cases) do
      torch.manualSeed(3)
      local inputs, plain = {}, {}
      for i, size in ipairs(sizes) do
        inputs[i] = leaf(torch.LongStorage(size))
        plain[i] = inputs[i]:detach():clone():requiresGrad(true)
      end
      local unpack = table.unpack or unpack
      local wanted = torch[name](unpack(plain))
      local seed = torch.randn(wanted:size())
      wanted:backward(seed)
      local got = torch.autocast('bfloat16', torch[name], unpack(inputs))
      assert.equal('bfloat16', got.dtype, name)
      assert.is_true(close(got:detach(), wanted:detach()), name)
      got:backward(seed)
      for i, input in ipairs(inputs) do
        assert.equal('float32', input.grad.dtype, name)
        assert.is_true(close(input.grad, plain[i].grad), name)
      end
    end
  end)

  it('calculates sums, exponentials and losses in float32', function()
    local low = torch.randn(6, 5):bfloat16()
    torch.autocast(function()
      for _, name in ipairs {'softmax', 'log_softmax'} do
        local y = torch[name](low, 2)
        assert.equal('float32', y.dtype, name)
        assert.is_true(torch[name](low:float(), 2):equal(y), name)
      end
      assert.equal('float32', torch.exp(low).dtype)
      assert.equal('float32', torch.sum(low, 1).dtype)
      assert.equal('float32', torch.mean(low, 1).dtype)
      local x = low:detach():requiresGrad(true)
      local loss = torch.cross_entropy(x, torch.LongTensor{1, 2, 3, 4, 5, 1})
      assert.equal('float32', loss.dtype)
      loss:backward()
      assert.equal('bfloat16', x.grad.dtype)
    end)
  end)

  it('leaves the rest as it is, and widens what is mixed', function()
    local low, full = torch.randn(3, 4):bfloat16(), torch.randn(3, 4)
    torch.autocast(function()
      assert.equal('bfloat16', torch.relu(low).dtype)
      assert.equal('float32', torch.relu(full).dtype)
      assert.equal('float32', (low + full).dtype)
      assert.equal('float32', torch.cat({low, full, low, full, low}, 1).dtype)
      assert.equal('bfloat16', torch.cat({low, low}, 1).dtype)
      assert.equal('bfloat16', low:t():contiguous().dtype)
      -- What is written into keeps its type, and float64 is there for a reason.
      local result = torch.zeros(3, 3)
      torch.mm(result, full, full:t())
      assert.equal('float32', result.dtype)
      assert.is_true(close(result, full * full:t(), 0.02))
      assert.equal('float32', result:addmm(full, full:t()).dtype)
      assert.equal('float64', (full:double() * full:double():t()).dtype)
      assert.equal('int64', (full:long() * full:long():t()).dtype)
    end)
    assert.equal('float32', (full * full:t()).dtype)
  end)

  it('normalizes in float32, whatever the type of the result', function()
    local x, weight = torch.randn(4, 3, 5, 5), torch.ones(3):requiresGrad(true)
    local mean, variance = torch.zeros(3), torch.ones(3)
    torch.autocast(function()
      local y = torch.batch_norm(x:bfloat16(), mean, variance, weight, torch.zeros(3), true)
      assert.equal('bfloat16', y.dtype)
      assert.is_true(close(y:detach(), torch.batch_norm(x, nil, nil, nil, nil, true)))
      y:sum():backward()
      assert.equal('float32', weight.grad.dtype)
      assert.equal('float32', torch.layer_norm(x, {5}).dtype)
      local q = torch.randn(2, 2, 4, 8)
      assert.equal('bfloat16', torch.scaled_dot_product_attention(q, q, q).dtype)
    end)
  end)

  -- kind: 'float', 'low', or 'mixed' for both by turns.
  local function run(row, sample, kind)
    local unpack, inputs = table.unpack or unpack, {}
    for i, x in ipairs(sample.inputs) do
      local low = kind == 'low' or kind == 'mixed' and i % 2 == 1
      inputs[i] = (low and x:bfloat16() or x:float()):requiresGrad(true)
    end
    local result = sample.call(torch[row.name], sample.args(unpack(inputs)))
    if torch.isTensor(result) and result.requires_grad then result:sum():backward() end
  end

  it('serves all operations, whatever they get', function()
    for _, row in ipairs(torch.ops) do
      for _, sample in ipairs(row.floats and samples.of(row) or {}) do
        if pcall(run, row, sample, 'float') then
          for _, kind in ipairs {'float', 'mixed', 'low'} do
            local ok, message = pcall(torch.autocast, run, row, sample, kind)
            assert.is_true(ok, row.name .. ', ' .. kind .. ': ' .. tostring(message))
          end
        end
      end
    end
  end)

  it('knows float16 too', function()
    local a, b = leaf(4, 5), leaf(5, 6)
    local y = torch.autocast('float16', torch.mm, a, b)
    assert.equal('float16', y.dtype)
    assert.is_true(close(y:detach(), torch.mm(a, b):detach(), 0.005))
    y:backward(torch.ones(4, 6))
    assert.equal('float32', a.grad.dtype)
  end)

  it('nests, and is restored after an error', function()
    local function now() return torch.get_autocast() end
    assert.is_false(now())
    local inside, deeper, between = torch.autocast(function()
      local first = torch.autocast(false, now)
      local ok, message = pcall(torch.autocast, 'float16', function() error('oh', 0) end)
      assert.is_false(ok)
      assert.equal('oh', message)
      return now(), first, torch.autocast('float16', now)
    end)
    assert.are.same({'bfloat16', false, 'float16'}, {inside, deeper, between})
    assert.is_false(now())
    assert.is_false(torch.set_autocast('bfloat16'))
    assert.equal('bfloat16', torch.set_autocast(false))
    assert.has_error(function() torch.autocast('float64', now) end,
      "autocast: 'bfloat16', 'float16' or false expected, got float64")
    assert.has_error(function() torch.autocast(3) end)
    assert.has_error(function() torch.autocast() end)
    local ok = pcall(torch.autocast, torch.mm, torch.randn(2, 3), torch.randn(2, 3))
    assert.is_false(ok)
    assert.is_false(now())
  end)

  it('does not reach into a backward pass', function()
    local x = leaf(3, 3)
    torch.autocast(function()
      local y = torch.mm(x, x)
      y:sum():backward()
      local z = torch.autocast(false, function() return torch.mm(x, x) end)
      z:sum():backward()
    end)
    assert.equal('float32', x.grad.dtype)
    assert.equal('float32', torch.mm(x, x).dtype)
  end)

  it('gives second derivatives', function()
    local x = leaf(4, 4)
    local y = torch.autocast(function() return torch.square(torch.mm(x, x)):sum() end)
    local first = torch.grad(y, x, {create_graph = true})
    torch.square(first):sum():backward()
    local plain = x:detach():clone():requiresGrad(true)
    y = torch.square(torch.mm(plain, plain)):sum()
    local slope = torch.grad(y, plain, {create_graph = true})
    torch.square(slope):sum():backward()
    assert.is_true(close(x.grad, plain.grad, 0.05))
  end)

  it('works for modules in both protocols', function()
    local model = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 4))
    local criterion = nn.CrossEntropyCriterion()
    local x, labels = torch.randn(8, 20), torch.LongTensor(8):random(1, 4)
    local loss = torch.autocast(function() return criterion(model(x), labels) end)
    model:zeroGradParameters()
    loss:backward()
    local today = model:get(1).gradWeight:clone()
    model:zeroGradParameters()
    local output = torch.autocast(function() return model:forward(x) end)
    assert.equal('bfloat16', output.dtype)
    criterion:forward(output:float(), labels)
    model:backward(x, criterion:backward(output:float(), labels))
    assert.is_true(close(model:get(1).gradWeight, today))
    assert.equal('float32', model:get(1).gradWeight.dtype)
    assert.equal('float32', model.gradInput.dtype)
  end)

  it('trains as well as float32 does', function()
    local digits = data.mnist{train = 3000}
    local function accuracy(dtype)
      torch.manualSeed(7)
      local model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
      local criterion, optimizer = nn.CrossEntropyCriterion(), optim.Adam(model:parameters(),
        {lr = 2e-3})
      for first = 1, 6 * 2944, 64 do
        local at = (first - 1) % 2944 + 1
        local images = digits.train.images:narrow(1, at, 64)
        local labels = digits.train.labels:narrow(1, at, 64)
        local loss = torch.autocast(dtype, function() return criterion(model(images), labels) end)
        optimizer:zero_grad()
        loss:backward()
        optimizer:step()
      end
      local output = torch.no_grad(function() return model(digits.test.images) end)
      local _, best = output:max(2)
      return best:view(-1):eq(digits.test.labels):double():mean()
    end
    local full, mixed = accuracy(false), accuracy('bfloat16')
    assert.is_true(full > 0.88)
    assert.is_true(math.abs(full - mixed) < 0.01)
  end)
end)
