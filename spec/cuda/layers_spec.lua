-- Layers that have kernels of their own on a GPU: softmax, losses, normalisations, rotary embedding.
local torch = require 'torch'

if not torch.cuda.is_available() then return end

local compare = require 'spec.cuda.layers_compare'
local check = compare.check

describe('softmax on a GPU', function()
  local function both(shape, dim, dtype, twice)
    torch.manualSeed(1)
    local x = torch.randn(shape):mul(3)
    for _, name in ipairs {'softmax', 'log_softmax'} do
      check(('%s %s of %s along %s'):format(name, dtype, table.concat(shape, 'x'), tostring(dim)),
        function(t) return torch[name](t, dim) end, {x}, {dtype = dtype, twice = twice})
    end
  end

  it('goes along rows of any length', function()
    for _, n in ipairs {1, 3, 10, 64, 128, 257, 1000, 4096} do
      for _, dtype in ipairs(compare.FLOATS) do both({3, n}, nil, dtype) end
    end
    both({2, 40000}, nil, 'float32')
    both({1, 33001}, nil, 'float32')
    both({1, 70000}, nil, 'float16')
    both({300, 5}, nil, 'float32')
  end)

  it('goes down columns', function()
    for _, dtype in ipairs(compare.FLOATS) do
      both({2, 7, 5}, 2, dtype)
      both({3, 50, 40}, 2, dtype)
      both({19, 3}, 1, dtype)
    end
  end)

  it('takes strided, expanded and empty inputs', function()
    local x = torch.randn(6, 5)
    local function soft(t) return torch.softmax(t, 2) end
    check('transposed', function(t) return soft(t:t()) end, {x})
    check('narrowed', function(t) return soft(t:narrow(2, 2, 3)) end, {x})
    check('expanded', function(t) return soft(t:view(6, 1, 5):expand(6, 4, 5):select(2, 1)) end, {x})
    check('empty', function(t) return torch.softmax(t, 2) end, {torch.zeros(0, 5)})
    check('gradient of a sum', function(t) return torch.log_softmax(t, 2):sum() end, {x})
  end)

  it('has a second derivative', function()
    both({3, 7}, nil, 'float64', true)
    both({3, 7, 9}, 2, 'float64', true)
  end)

  it('treats infinities and NaN as the CPU does', function()
    local inf, nan = math.huge, 0 / 0
    for _, row in ipairs {{1, -inf, 2, 3}, {-inf, -inf, -inf, -inf}, {inf, 1, 2, 3},
        {nan, 1, 2, 3}, {1e30, -1e30, 0, 1e30}} do
      for _, length in ipairs {4, 3, 40000} do
        local x = torch.Tensor(row)
        x = length == 3 and x:narrow(1, 1, 3):clone() or x
        if length > 4 then x = torch.cat({x, torch.zeros(length - 4):fill(row[4])}, 1) end
        for _, name in ipairs {'softmax', 'log_softmax'} do
          check(name .. ' of special values', function(t) return torch[name](t) end, {x},
            {grad = false})
          check(name .. ' of special values down', function(t)
            return torch[name](t:view(-1, 1):expand(t:nElement(), 2):contiguous(), 1)
          end, {x}, {grad = false})
        end
      end
    end
  end)
end)
