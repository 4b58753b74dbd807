-- Layers that have kernels of their own on a GPU: softmax, losses, normalisations, and others.
local torch = require 'torch'

if not torch.cuda.is_available() then return end

local compare = require 'spec.cuda.layers_compare'
local check = compare.check
local unpack = table.unpack or unpack

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
    check('expanded', function(t) return soft(t:narrow(2, 1, 1):expand(6, 5)) end, {x})
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

describe('normalisations on a GPU', function()
  local function randn(...) return torch.randn(...):mul(2):add(1.5) end

  it('go over rows of any length', function()
    for _, n in ipairs {2, 7, 64, 256, 1000} do
      for _, dtype in ipairs(compare.FLOATS) do
        check(('layer_norm %s of %d'):format(dtype, n), function(x, w, b)
          return torch.layer_norm(x, {n}, w, b)
        end, {randn(5, n), torch.randn(n), torch.randn(n)}, {dtype = dtype})
        check(('rms_norm %s of %d'):format(dtype, n), function(x, w)
          return torch.rms_norm(x, {n}, w)
        end, {randn(5, n), torch.randn(n)}, {dtype = dtype})
      end
    end
    for _, n in ipairs {9000, 33000} do
      for _, dtype in ipairs {'float32', 'bfloat16'} do
        check('a long row', function(x, w, b) return torch.layer_norm(x, {n}, w, b) end,
          {randn(3, n), torch.randn(n), torch.randn(n)}, {dtype = dtype})
        check('a long row without a weight', function(x) return torch.rms_norm(x, {n}) end,
          {randn(2, n)}, {dtype = dtype})
      end
    end
    check('an odd long row', function(x, w) return torch.layer_norm(x, {8195}, w) end,
      {randn(2, 8195), torch.randn(8195)})
    check('many rows', function(x, w, b) return torch.layer_norm(x, {12}, w, b) end,
      {randn(700, 12), torch.randn(12), torch.randn(12)}, {tolerance = 1e-4})
    check('two dimensions', function(x, w, b) return torch.layer_norm(x, {4, 6}, w, b) end,
      {randn(3, 4, 6), torch.randn(4, 6), torch.randn(4, 6)})
  end)

  it('take weights of float32 beside half types, biases alone, and strided inputs', function()
    for _, dtype in ipairs {'float16', 'bfloat16'} do
      check('mixed', function(x, w, b)
        return torch.layer_norm(x:to(dtype), {64}, w, b):float()
      end, {randn(5, 64), torch.randn(64), torch.randn(64)},
        {tolerance = compare.TOLERANCE[dtype]})
    end
    check('a bias', function(x, b) return torch.layer_norm(x, {8}, nil, b) end,
      {randn(5, 8), torch.randn(8)})
    check('transposed', function(x, w, b)
      return torch.layer_norm(x:t(), {5}, w:narrow(1, 2, 5), b:view(5, 1):expand(5, 2):select(2, 1))
    end, {randn(5, 8), torch.randn(9), torch.randn(5)})
    check('no rows', function(x, w, b) return torch.layer_norm(x, {8}, w, b) end,
      {torch.zeros(0, 8), torch.randn(8), torch.randn(8)})
    check('a summed result', function(x, w) return torch.layer_norm(x, {8}, w):sum() end,
      {randn(5, 8), torch.randn(8)})
  end)

  it('go over groups of channels', function()
    for _, dtype in ipairs(compare.FLOATS) do
      for _, shape in ipairs {{3, 6, 4, 4}, {2, 8, 5}, {4, 16}, {2, 4, 31, 33}, {2, 6, 6, 8}} do
        check('group_norm ' .. dtype .. ' of ' .. table.concat(shape, 'x'), function(x, w, b)
          return torch.group_norm(x, 2, w, b)
        end, {randn(unpack(shape)), torch.randn(shape[2]), torch.randn(shape[2])}, {dtype = dtype})
      end
    end
  end)

  it('go over batches', function()
    for _, dtype in ipairs(compare.FLOATS) do
      for _, shape in ipairs {{40, 6}, {9, 70}, {3, 5, 4, 4}, {2, 3, 40, 40}, {3, 4, 7, 9},
          {2, 40, 64}, {70, 3, 5}} do
        local n = shape[2]
        for _, training in ipairs {true, false} do
          check(('batch_norm %s of %s, %s'):format(dtype, table.concat(shape, 'x'), training),
            function(x, w, b)
              local mean = torch.range(1, n, {device = x.device}):to(dtype):mul(0.1)
              return torch.batch_norm(x, mean, mean:clone(), w, b, training)
            end, {randn(unpack(shape)), torch.randn(n), torch.randn(n)},
            {dtype = dtype, tolerance = 3 * compare.TOLERANCE[dtype]})
        end
      end
    end
    check('without weights', function(x) return torch.batch_norm(x, nil, nil, nil, nil, true) end,
      {randn(8, 3, 5)})
  end)

  it('go over samples', function()
    for _, dtype in ipairs(compare.FLOATS) do
      for _, shape in ipairs {{3, 5, 4, 4}, {2, 3, 40, 40}, {3, 4, 7, 9}} do
        check('instance_norm ' .. dtype .. ' of ' .. table.concat(shape, 'x'), function(x, w, b)
          return torch.instance_norm(x, nil, nil, w, b)
        end, {randn(unpack(shape)), torch.randn(shape[2]), torch.randn(shape[2])}, {dtype = dtype})
      end
    end
  end)

  it('keep running statistics', function()
    for _, name in ipairs {'batch_norm', 'instance_norm'} do
      local x, mean, var = randn(4, 5, 6), torch.zeros(5), torch.ones(5)
      local gx, gm, gv = x:cuda(), mean:cuda(), var:cuda()
      for _ = 1, 3 do
        torch[name](x, mean, var, nil, nil, true, 0.2)
        compare.stays(torch[name], gx, gm, gv, nil, nil, true, 0.2)
      end
      compare.near(gm, mean, 1e-5, name .. ': mean')
      compare.near(gv, var, 1e-5, name .. ': variance')
    end
  end)

  it('have second derivatives', function()
    local options = {dtype = 'float64', twice = true}
    check('layer_norm', function(x, w, b) return torch.layer_norm(x, {6}, w, b) end,
      {randn(3, 6), torch.randn(6), torch.randn(6)}, options)
    check('batch_norm', function(x, w, b) return torch.batch_norm(x, nil, nil, w, b, true) end,
      {randn(4, 3, 5), torch.randn(3), torch.randn(3)}, options)
  end)

  it('treat numbers far from 0, infinities and NaN as the CPU does', function()
    local x = torch.randn(3, 6):add(1e4)
    check('far', function(t) return torch.layer_norm(t, {6}) end, {x}, {tolerance = 1e-2})
    for _, value in ipairs {math.huge, -math.huge, 0 / 0} do
      x[2][3] = value
      check('special', function(t) return torch.layer_norm(t, {6}) end, {x},
        {grad = false, tolerance = 1e-2})
      check('special', function(t) return torch.batch_norm(t, nil, nil, nil, nil, true) end, {x},
        {grad = false, tolerance = 1e-1})
    end
  end)
end)

describe('losses on a GPU', function()
  local function classes(n, count)
    local labels = torch.LongTensor(n)
    for i = 1, n do labels[i] = (i * 7) % count + 1 end
    return labels
  end

  it('pick the right classes', function()
    for _, dtype in ipairs(compare.FLOATS) do
      for _, shape in ipairs {{6, 5}, {3, 1000}, {2, 64}, {700, 3}, {1, 5000}} do
        local n, count = shape[1], shape[2]
        local labels = classes(n, count)
        for _, mean in ipairs {true, false} do
          for _, name in ipairs {'nll_loss', 'cross_entropy'} do
            check(('%s %s of %dx%d'):format(name, dtype, n, count), function(x, target, w)
              return torch[name](x, target, w, mean)
            end, {torch.randn(n, count), labels}, {dtype = dtype})
          end
        end
      end
    end
  end)

  it('take weights, labels that do not count, and other shapes', function()
    local weights = torch.rand(5)
    for _, name in ipairs {'nll_loss', 'cross_entropy'} do
      local loss = torch[name]
      local labels = torch.LongTensor {1, 5, 3, 2, 2, 4}
      check(name .. ' weighted', function(x, t, w)
        return loss(x, t, w:detach(), true)
      end, {torch.randn(6, 5), labels, weights})
      check(name .. ' ignoring', function(x, t, w) return loss(x, t, w:detach(), true, 2) end,
        {torch.randn(6, 5), labels, weights})
      check(name .. ' ignoring all', function(x, t)
        return loss(x, t:clone():fill(3), nil, true, 3)
      end, {torch.randn(6, 5), labels})
      check(name .. ' of float labels', function(x, t) return loss(x, t:to('float32')) end,
        {torch.randn(6, 5), labels})
      check(name .. ' of strided labels', function(x, t)
        return loss(x:t(), t:view(3, 2):select(2, 1):narrow(1, 1, 3))
      end, {torch.randn(5, 3), labels})
      check(name .. ' of one sample', function(x, t) return loss(x, t:narrow(1, 2, 1)) end,
        {torch.randn(5), labels})
      check(name .. ' of a number', function(x) return loss(x, 4) end, {torch.randn(5)})
      check(name .. ' again', function(x, t, w) return loss(x, t, w:detach()) end,
        {torch.randn(6, 5):double(), labels, weights:double()}, {dtype = 'float64', twice = true})
    end
  end)

  it('tell of labels that are no class', function()
    local x = torch.randn(3, 5):cuda()
    x.requires_grad = true -- a plain number would be read at once
    for _, name in ipairs {'nll_loss', 'cross_entropy'} do
      for _, labels in ipairs {{1, 6, 2}, {0, 1, 1}, {1, 1.5, 2}} do
        local ok, message = pcall(function()
          torch[name](x, torch.Tensor(labels):cuda())
          torch.cuda.synchronize()
        end)
        assert.is_false(ok)
        assert.is_truthy(message:find('out of range', 1, true), message)
      end
      assert.has_error(function() torch[name](x, torch.Tensor {1, 2}:cuda()) end)
    end
    torch.cuda.synchronize()
  end)
end)

describe('rotary embedding on a GPU', function()
  it('turns pairs', function()
    for _, dtype in ipairs(compare.FLOATS) do
      for _, sizes in ipairs {{4, 8, 4}, {5, 7, 3}, {3, 64, 32}, {6, 32, 8}, {3, 5, 2}} do
        local time, dim, pairs_ = unpack(sizes)
        local angle = torch.rand(time + 2, pairs_):mul(6)
        for _, beside in ipairs {true, false} do
          check(('%s %dx%d'):format(dtype, time, dim), function(x, c, s)
            return torch.rotary_embedding(x, c:detach(), s:detach(), beside, 2)
          end, {torch.randn(2, 3, time, dim), torch.cos(angle), torch.sin(angle)}, {dtype = dtype})
        end
      end
    end
    local angle = torch.rand(4, 2)
    check('strided', function(x, c, s)
      return torch.rotary_embedding(x:transpose(1, 2), c:detach(), s:detach(), true)
    end, {torch.randn(4, 3, 5), torch.cos(angle), torch.sin(angle)})
    check('odd offset', function(x, c, s)
      return torch.rotary_embedding(x:narrow(1, 2, 12):view(3, 4), c:detach(), s:detach(), true)
    end, {torch.randn(14), torch.cos(angle), torch.sin(angle)})
  end)
end)
