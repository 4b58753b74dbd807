-- Poolings of float32, which go row by row, against those of float64, which go one by one; and
-- 2-byte matrices turned over.
local torch = require 'torch'

local random = math.random

-- A pooling by lot: how many dimensions, the input, and the arguments.
local function draw(i)
  local n = random(1, 3)
  local k, s, p, d, sizes = {}, {}, {}, {}, {random(1, 3), random(1, 3)}
  for j = 1, n do
    k[j], s[j], d[j], sizes[j + 2] = random(1, 4), random(1, 4), random(1, 3), random(1, 14)
    p[j] = random(0, math.floor((d[j] * (k[j] - 1) + 1) / 2))
  end
  local x = torch.randn(torch.LongStorage(sizes))
  if i % 3 == 0 then x = torch.floor(x * 2) end -- many alike
  local flat = x:view(-1)
  if i % 5 == 0 then flat[random(flat:nElement())] = 0 / 0 end
  if i % 10 == 0 then flat[random(flat:nElement())] = 0 / 0 end
  if i % 7 == 0 then flat[random(flat:nElement())] = -1 / 0 end
  return torch[('max_pool%dd'):format(n)], x, k, s, p, d, random(2) == 1
end

local function same(a, b)
  for i = 1, #a do
    if a[i] ~= b[i] and (a[i] == a[i] or b[i] == b[i]) then return false end
  end
  return #a == #b
end

describe('max pooling of floats', function()
  it('finds the same values at the same places as of doubles', function()
    math.randomseed(3)
    for i = 1, 400 do
      local pool, x, k, s, p, d, ceil = draw(i)
      local ok, values, places = pcall(pool, x, k, s, p, d, ceil)
      local ok_too, expected, expected_places = pcall(pool, x:double(), k, s, p, d, ceil)
      assert.equal(ok_too, ok)
      if ok then
        assert.same(expected_places:totable(), places:totable())
        assert.is_true(same(torch.totable_flat(expected), torch.totable_flat(values)))
      end
    end
  end)

  it('sends gradients to where the values were', function()
    math.randomseed(4)
    for i = 1, 100 do
      local pool, x, k, s, p, d, ceil = draw(7 * i + 1)
      x = torch.where(torch.eq(x, x), x, torch.zeros_like(x))
      x.requires_grad = true
      local ok, values, places = pcall(pool, x, k, s, p, d, ceil)
      if ok then
        local dy = torch.randn_like(values:detach())
        values:backward(dy)
        local planes = x:size(1) * x:size(2)
        local expected = torch.scatter_add(torch.zeros(planes, x:nElement() / planes), 2,
          places:view(planes, -1), dy:view(planes, -1))
        assert.is_true(torch.abs(expected:view(-1) - x.grad:view(-1)):max() < 1e-5)
      end
    end
  end)

  it('is differentiable twice', function()
    torch.manualSeed(1)
    local v, h = torch.randn(2, 4, 4):double(), 1e-5
    local function slope(x)
      return torch.grad({torch.max_pool2d(torch.pow(x, 3), 2)[1]:sum()}, {x}, nil,
        {create_graph = true})[1]
    end
    local x = torch.randn(2, 4, 4):double()
    local function at(step)
      local moved = x + v * step
      moved.requires_grad = true
      return slope(moved):detach()
    end
    local leaf = x:clone()
    leaf.requires_grad = true
    local second = torch.grad({torch.cmul(slope(leaf), v):sum()}, {leaf})[1]
    assert.is_true(torch.abs((at(h) - at(-h)) / (2 * h) - second):max() < 1e-6)
  end)
end)

describe('matrices of 2-byte elements', function()
  it('are turned over', function()
    for _, sizes in ipairs {{1, 5}, {7, 9}, {16, 8}, {33, 70}, {200, 130}} do
      local x = torch.range(1, sizes[1] * sizes[2]):fmod(251):view(sizes[1], sizes[2])
      for _, dtype in ipairs {'bfloat16', 'float16', 'int16'} do
        local turned = x:to(dtype):t():contiguous()
        assert.equal(0, torch.abs(turned:to('float32') - x:t()):max())
      end
    end
  end)
end)

-- Floats go a row of windows at a time, doubles one by one.
describe('the greatest of floats, row by row,', function()
  it('are those of doubles, and lie where theirs do', function()
    torch.manualSeed(3)
    for round = 1, 150 do
      local size, stride = torch.random(1, 4), torch.random(1, 4)
      local window = {{size, size}, {stride, stride}, torch.random(0, math.floor(size / 2)),
        torch.random(1, 2)}
      local x = torch.randn(2, 3, torch.random(9, 40), torch.random(9, 70)):mul(3):floor()
      if round % 3 == 0 then x:maskedFill(torch.gt(torch.rand(x:size()), 0.9), 0 / 0) end
      local got, index = torch.max_pool2d(x, window[1], window[2], window[3], window[4])
      local expected, at = torch.max_pool2d(x:double(), window[1], window[2], window[3], window[4])
      assert.is_true(index:equal(at))
      assert.is_true(torch.ne(got, got):equal(torch.ne(expected, expected)))
      got:maskedFill(torch.ne(got, got), 0)
      expected:maskedFill(torch.ne(expected, expected), 0)
      assert.is_true(got:double():equal(expected))
    end
  end)
end)
