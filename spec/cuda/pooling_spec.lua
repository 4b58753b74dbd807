-- Poolings on a GPU, beside the CPU's.
local torch = require('torch')

if not torch.cuda.is_available() then return end

local beside = require('spec.cuda.beside_cpu')
local check = beside.check

local function image(...) return torch.Tensor(...):uniform(-2, 2) end

-- Channels of a pixel beside each other: the same image, other strides.
local function pixels(x)
  if x:dim() ~= 4 then return x end
  return x:permute(1, 3, 4, 2):contiguous():permute(1, 4, 2, 3):detach()
end

local CASES = {
  max = {
    { torch.max_pool1d, { 2, 3, 13 }, { 3 } },
    { torch.max_pool1d, { 3, 13 }, { 3, 2, 1 } },
    { torch.max_pool2d, { 2, 3, 11, 14 }, { 2 } },
    { torch.max_pool2d, { 2, 3, 11, 14 }, { { 3, 2 }, { 2, 1 }, { 1, 0 }, 1, true } },
    { torch.max_pool2d, { 3, 11, 14 }, { 3, 1, 1, 2 } },
    { torch.max_pool2d, { 2, 2, 3, 9, 8 }, { 3, 2 } },
    { torch.max_pool3d, { 2, 2, 5, 6, 7 }, { 2, 2, 1 } },
    { torch.adaptive_max_pool1d, { 2, 3, 13 }, { 5 } },
    { torch.adaptive_max_pool2d, { 2, 3, 11, 14 }, { { 4, 5 } } },
    { torch.adaptive_max_pool3d, { 1, 2, 5, 6, 7 }, { 3 } },
  },
  mean = {
    { torch.avg_pool1d, { 2, 3, 13 }, { 3, 2, 1 } },
    { torch.avg_pool2d, { 2, 3, 11, 14 }, { 3, 2, 1 } },
    { torch.avg_pool2d, { 2, 3, 11, 14 }, { { 3, 2 }, 2, 1, true, false } },
    { torch.avg_pool2d, { 2, 3, 11, 14 }, { 3, 1, 1, false, true, 5 } },
    { torch.avg_pool2d, { 3, 24, 24 }, { { 8, 7 }, 5 } }, -- large windows
    { torch.avg_pool3d, { 2, 2, 5, 6, 7 }, { 2, 2, 1 } },
    { torch.adaptive_avg_pool1d, { 2, 3, 13 }, { 5 } },
    { torch.adaptive_avg_pool2d, { 2, 3, 11, 14 }, { { 4, 5 } } },
    { torch.adaptive_avg_pool2d, { 2, 3, 11, 14 }, { 1 } },
    { torch.adaptive_avg_pool2d, { 2, 3, 5, 4 }, { 7 } },
    { torch.adaptive_avg_pool3d, { 1, 2, 5, 6, 7 }, { { 3, 2, 1 } } },
  },
}

local unpack = table.unpack or unpack

local function run(case)
  return function(x) return case[1](x, unpack(case[3])) end
end

describe('poolings on a GPU', function()
  for kind, cases in pairs(CASES) do
    for i, case in ipairs(cases) do
      it(kind .. ' ' .. i .. ' does what it does on the CPU', function()
        local x = image(unpack(case[2]))
        for _, dtype in ipairs(beside.floats) do
          check(kind, run(case), { x }, { dtype = dtype })
        end
        check(kind .. ' of pixels', run(case), { x }, { arrange = pixels })
      end)
    end
  end

  it('takes several channels at once', function()
    local x = image(2, 16, 9, 8)
    local integers = torch.Tensor(2, 16, 9, 8):uniform(-3, 3):floor() -- with equal ones
    for _, dtype in ipairs(beside.floats) do
      for _, from in ipairs { x, integers } do
        check('max', function(t) return torch.max_pool2d(t, 3, 2, 1) end, { from },
          { dtype = dtype, arrange = pixels })
      end
      check('mean', function(t) return torch.avg_pool2d(t, 3, 2, 1) end, { x },
        { dtype = dtype, arrange = pixels })
      check('mean', function(t) return torch.adaptive_avg_pool2d(t, { 3, 4 }) end, { x },
        { dtype = dtype, arrange = pixels })
      check('mean', function(t) return torch.adaptive_avg_pool2d(t, 1) end, { x },
        { dtype = dtype, arrange = pixels })
      check('part', function(t) return torch.max_pool2d(pixels(t):narrow(2, 3, 8), 2) end, { x },
        { dtype = dtype, gradient = false })
    end
  end)

  it('has gradients of gradients', function()
    local x = image(2, 3, 7, 8)
    check('max', function(t) return (torch.max_pool2d(torch.cmul(t, t), 3, 2, 1)) end, { x },
      { gradient = 2, elsewhere = true })
    check('mean', function(t) return torch.avg_pool2d(torch.cmul(t, t), 3, 2, 1) end, { x },
      { gradient = 2, elsewhere = true })
  end)

  it('reads any view', function()
    local x = image(5, 9, 8, 6)
    for _, view in ipairs {
      function(t) return t:transpose(1, 4) end,
      function(t) return t:narrow(2, 2, 5):select(1, 2) end,
      function(t) return t:select(1, 2):unsqueeze(1):expand(3, 9, 8, 6) end,
    } do
      check('view', function(t) return torch.max_pool2d(view(t), 2) end, { x },
        { elsewhere = true })
      check('view', function(t) return torch.avg_pool2d(view(t), 3, 2, 1) end, { x },
        { elsewhere = true })
    end
    local y = image(3, 2, 4, 6, 5) -- leading dimensions that cannot be joined
    check('view', function(t)
      return torch.max_pool2d(t:transpose(1, 2):transpose(2, 3), 2)
    end, { y })
  end)

  it('integers have their greatest', function()
    local x = torch.zeros(2, 3, 9, 9):uniform(-100, 100):to('int32')
    for _, dtype in ipairs { 'int32', 'int64', 'int16', 'int8' } do
      check(dtype, function(t) return torch.max_pool2d(t, 3, 2, 1) end, { x:to(dtype) })
    end
  end)

  it('what is no number wins', function()
    local x = image(1, 2, 6, 6)
    x[{ 1, 1, 2, 3 }] = 0 / 0
    x[{ 1, 2, 5, 5 }] = -math.huge
    x[{ 1, 2, 1, 1 }] = math.huge
    check('NaN', function(t) return (torch.max_pool2d(t, 2)) end, { x }, { gradient = false })
    check('NaN', function(t) return torch.avg_pool2d(t, 2) end, { x }, { gradient = false })
    local low = torch.Tensor(1, 1, 4, 4):fill(-math.huge)
    check('-inf', function(t) return torch.max_pool2d(t, 2) end, { low }, { gradient = false })
  end)

  it('many and none', function()
    check('many', function(t) return torch.max_pool2d(t, 3, 1, 1) end, { image(3, 17, 33, 31) })
    check('none', function(t) return torch.max_pool2d(t, 2) end, { torch.zeros(0, 3, 4, 4) })
    check('none', function(t) return torch.avg_pool2d(t, 2) end, { torch.zeros(2, 0, 4, 4) })
  end)
end)
