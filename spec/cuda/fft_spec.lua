-- Fourier transforms on a GPU against the CPU's.
local torch = require 'torch'

if not torch.cuda.is_available() then return end

local beside = require 'spec.cuda.beside'

local WATCH = 'fft_c2c fft_r2c fft_c2r'
local TOLERANCE = { float64 = 1e-11, float32 = 2e-5, float16 = 4e-3, bfloat16 = 3e-2 }

-- Sizes without the pair of a complex number, and the dimension.
local SIZES = {
  { { 8 }, 1 }, { { 1 }, 1 }, { { 2 }, 1 }, { { 7 }, 1 }, { { 3, 6 }, 2 }, { { 6, 3 }, 1 },
  { { 2, 5, 3 }, 2 }, { { 2, 4, 3 }, 2 }, { { 20, 6, 2 }, 2 }, { { 2, 3, 4, 5 }, 3 },
  { { 0, 4 }, 2 },
}

local function sized(dtype, sizes, complex)
  sizes = { (table.unpack or unpack)(sizes) }
  if complex then sizes[#sizes + 1] = 2 end
  return torch.randn(torch.LongStorage(sizes)):to(dtype)
end

-- Name, function of an input and a dimension, whether the input is complex.
local CASES = {
  { 'fft_c2c', function(dim) return function(x) return torch.fft_c2c(x, dim) end end, true },
  { 'fft_c2c, inverse and scaled', function(dim)
    return function(x) return torch.fft_c2c(x, dim, true, 0.25) end
  end, true },
  { 'fft_r2c', function(dim) return function(x) return torch.fft_r2c(x, dim) end end, false },
  { 'fft_r2c, scaled', function(dim)
    return function(x) return torch.fft_r2c(x, dim, 0.5) end
  end, false },
  { 'fft_c2r', function(dim)
    return function(x) return torch.fft_c2r(x, 2 * x:size(dim) - 2, dim) end
  end, true },
  { 'fft_c2r of an odd number', function(dim)
    return function(x) return torch.fft_c2r(x, 2 * x:size(dim) - 1, dim, 0.125) end
  end, true },
}

local function each(dtype, how)
  for _, case in ipairs(CASES) do
    for _, at in ipairs(SIZES) do
      local sizes, dim = at[1], at[2]
      local possible = sizes[dim] > 1 or case[1] ~= 'fft_c2r'
      local x = sized(dtype, sizes, case[3])
      if possible and x:nElement() > 0 then
        how(('%s %s of %s'):format(dtype, case[1], table.concat(sizes, 'x')), case[2](dim), x)
      end
    end
  end
end

describe('transforms', function()
  before_each(function() torch.manualSeed(5) end)

  for _, dtype in ipairs(beside.FLOATS) do
    it('of ' .. dtype, function()
      each(dtype, function(what, fn, x) beside.same(what, fn, TOLERANCE[dtype], x) end)
    end)
  end

  it('of strided input', function()
    for _, way in ipairs(beside.WAYS) do
      each('float32', function(what, fn, x)
        beside.same(what .. ', ' .. way[1], fn, TOLERANCE.float32, way[2](x))
      end)
    end
    local all = torch.randn(41)
    beside.same('not aligned', function(x) return torch.fft_c2c(x:narrow(1, 2, 40):view(20, 2)) end,
      TOLERANCE.float32, all)
    beside.same('expanded', function(x) return torch.fft_r2c(x:expand(3, 8)) end,
      TOLERANCE.float32, torch.randn(1, 8))
  end)

  it('of many lines', function()
    beside.same('c2c', function(x) return torch.fft_c2c(x, 1) end, TOLERANCE.float32,
      torch.randn(16, 300, 2))
    beside.same('r2c', function(x) return torch.fft_r2c(x, 2) end, TOLERANCE.float32,
      torch.randn(40, 15, 9))
  end)

  it('keep NaN in its line', function()
    local x = torch.randn(3, 8)
    x[2][3] = 0 / 0
    beside.same('others', function(t)
      t = torch.fft_r2c(t)
      return t:select(1, 1), t:select(1, 3)
    end, TOLERANCE.float32, x)
    local first = torch.fft_r2c(x:cuda())[2][1][1]
    assert.is_true(first ~= first)
  end)

  it('there and back', function()
    local x = torch.randn(4, 9)
    local y = torch.fft_c2r(torch.fft_r2c(x:cuda()), 9, -1, 1 / 9)
    beside.near(y, x, 'back', TOLERANCE.float32)
  end)

  it('of several dimensions, by torch.fft', function()
    local x, z = torch.randn(3, 4, 6), torch.randn(3, 4, 6, 2)
    local before = torch.cuda.detours()
    beside.near(torch.fft.fft2(z:cuda()), torch.fft.fft2(z), 'fft2', TOLERANCE.float32)
    beside.near(torch.fft.ifftn(z:cuda()), torch.fft.ifftn(z), 'ifftn', TOLERANCE.float32)
    beside.near(torch.fft.rfft2(x:cuda()), torch.fft.rfft2(x), 'rfft2', TOLERANCE.float32)
    local half = torch.fft.rfft2(x)
    beside.near(torch.fft.irfft2(half:cuda()), torch.fft.irfft2(half), 'irfft2', TOLERANCE.float32)
    local after = torch.cuda.detours()
    for name in WATCH:gmatch('%S+') do assert.are.equal(before[name], after[name], name) end
  end)

  it('have gradients', function()
    for _, dtype in ipairs { 'float32', 'float64' } do
      each(dtype, function(what, fn, x)
        beside.gradients(what, fn, { twice = true, watch = WATCH,
          tolerance = dtype == 'float32' and 1e-4 or 1e-10 }, x)
      end)
    end
  end)
end)
