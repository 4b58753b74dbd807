-- Weights of linear and recurrent layers whose order for the kernels is kept while they are in use:
-- whoever writes into them in whatever way, the next result knows of it.
local torch = require 'torch'
local nn = require 'nn'

local KINDS = {}

-- Rows, outputs and inputs: several panels and blocks, and such as do not fill them.
for _, size in ipairs {{5, 70, 33}, {40, 384, 128}, {130, 513, 401}, {3, 33, 900}, {2, 64, 64}} do
  for _, dtype in ipairs {'float32', 'float64'} do
    KINDS[('linear, %d rows of %d to %d, %s'):format(size[1], size[3], size[2], dtype)] = {
      make = function()
        local rows, outputs, inputs = size[1], size[2], size[3]
        local x, w = torch.randn(rows, inputs):to(dtype), torch.randn(outputs, inputs):to(dtype)
        local b = torch.randn(outputs):to(dtype)
        return w, function(weight) return torch.linear(x, weight, b) end,
          function(weight)
            return torch.mm(x, weight:t():clone()) + b:view(1, -1):expand(rows, outputs)
          end
      end,
    }
  end
end

for _, batch in ipairs {1, 9} do
  KINDS['an LSTM of ' .. batch .. ' sequences'] = {
    make = function()
      local x = torch.randn(12, batch, 20)
      local w, hh = torch.randn(4 * 24, 20), torch.randn(4 * 24, 24):mul(0.2)
      local bias = torch.randn(4 * 24)
      local function run(weight)
        return (torch.lstm_layer(x, nil, nil, weight, hh, bias, bias))
      end
      return w, run, function(weight) return run(weight:clone()) end -- nothing is kept with a copy
    end,
  }
end

for name, kind in pairs(KINDS) do
  describe('a weight that is used again: ' .. name, function()
    local w, run, reference

    local function agrees()
      local expected = (reference(w))
      local got = torch.no_grad(run, w)
      assert.is_true((expected - got):abs():max() <= 2e-5 * math.max(1, expected:abs():max()))
      assert.is_true(torch.no_grad(run, w):equal(got))
    end

    before_each(function()
      torch.manualSeed(1)
      w, run, reference = kind.make()
      agrees()
    end)

    it('is changed as a whole, in parts, and through its storage', function()
      w:mul(0.5)
      agrees()
      w:narrow(1, 1, 8):zero()
      agrees()
      w[3][2] = 1.25
      agrees()
      w:storage()[7] = -0.75
      agrees()
      w:copy(torch.randn(w:size()):mul(0.1))
      agrees()
      w:set(torch.randn(w:size()):mul(0.1):to(w.dtype))
      agrees()
      w:apply(function(value) return value + 0.01 end)
      agrees()
    end)

    it('is changed through a pointer', function()
      if not pcall(require, 'ffi') then return end
      local pointer = w:data()
      agrees()
      pointer[5] = 0.3
      agrees()
    end)

    it('is not kept while it is trained', function()
      w.requires_grad = true
      local y = run(w)
      y:sum():backward()
      require('optim').SGD({w}, {lr = 0.01}):step()
      w = w:detach()
      agrees()
    end)
  end)
end

describe('a frozen model', function()
  it('follows its weights', function()
    torch.manualSeed(1)
    local model = nn.Sequential(nn.Linear(64, 96), nn.Tanh(), nn.Linear(96, 10))
    local x = torch.randn(20, 64)
    model:evaluate()
    local frozen = model:freeze(x)
    for _ = 1, 3 do
      local expected = torch.tanh(torch.mm(x, model:get(1).weight:t():clone())
        + model:get(1).bias:view(1, -1):expand(20, 96))
      expected = torch.mm(expected, model:get(3).weight:t():clone())
        + model:get(3).bias:view(1, -1):expand(20, 10)
      assert.is_true((frozen(x) - expected:detach()):abs():max() < 1e-5)
      torch.no_grad(function()
        model:get(1).weight:mul(0.9)
        model:get(3).weight:add(0.01)
      end)
    end
  end)
end)
