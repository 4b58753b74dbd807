-- Convolutions on a GPU, beside the CPU's: values, gradients and those of the gradients.
local torch = require('torch')

if not torch.cuda.is_available() then return end

local beside = require('spec.cuda.beside_cpu')
local check = beside.check
local unpack = table.unpack or unpack

local function values(sizes) return torch.Tensor(torch.LongStorage(sizes)):uniform(-1, 1) end

-- {name, input, weight, bias or false, arguments behind the bias}
local CASES = {
  { 'conv1d', { 2, 3, 17 }, { 5, 3, 3 }, 5, {} },
  { 'conv1d', { 2, 4, 17 }, { 6, 2, 4 }, false, { 2, 3, 2, 2 } },
  { 'conv1d', { 3, 17 }, { 5, 3, 3 }, 5, { 1, 'same' } },
  { 'conv2d', { 2, 3, 9, 11 }, { 4, 3, 3, 3 }, 4, { 1, 1 }, all = true },
  { 'conv2d', { 2, 3, 9, 11 }, { 12, 3, 3, 2 }, 12, { { 2, 1 }, { 0, 2 }, { 1, 2 } } },
  { 'conv2d', { 2, 6, 9, 11 }, { 9, 2, 3, 3 }, false, { 2, 1, 1, 3 }, all = true },
  { 'conv2d', { 2, 6, 9, 11 }, { 6, 1, 3, 3 }, 6, { 1, 1, 1, 6 } }, -- depthwise
  { 'conv2d', { 2, 6, 9, 11 }, { 12, 1, 3, 3 }, false, { 2, 1, 1, 6 } },
  { 'conv2d', { 2, 20, 7, 5 }, { 17, 20, 1, 1 }, 17, {}, all = true },
  { 'conv2d', { 1, 3, 5, 5 }, { 2, 3, 5, 5 }, 2, {} },
  { 'conv3d', { 2, 3, 5, 6, 7 }, { 4, 3, 2, 3, 3 }, 4, { 1, { 0, 1, 2 }, { 1, 2, 1 } } },
  { 'conv3d', { 1, 4, 5, 6, 7 }, { 8, 2, 3, 3, 3 }, false, { 2, 1, 1, 2 } },
  { 'conv_transpose1d', { 2, 3, 9 }, { 3, 5, 3 }, 5, { 2, 1, 1 } },
  { 'conv_transpose2d', { 2, 4, 5, 6 }, { 4, 3, 3, 3 }, 3, { 2, 1, 1 }, all = true },
  { 'conv_transpose2d', { 2, 4, 5, 6 }, { 4, 3, 3, 2 }, false, { { 1, 3 }, 0, 0, 2, { 2, 1 } } },
  { 'conv_transpose3d', { 1, 4, 3, 4, 5 }, { 4, 2, 2, 3, 3 }, 2, { 2 } },
}

local function inputs_of(case)
  local list = { values(case[2]), values(case[3]) }
  if case[4] then list[3] = values { case[4] } end
  return list
end

local function run(case)
  local f = torch[case[1]]
  return function(x, w, bias) return f(x, w, bias, unpack(case[5])) end
end

-- As a product of so many numbers.
local TOLERANCE = { float32 = 2e-5, float64 = 1e-10, float16 = 1e-2, bfloat16 = 5e-2 }

local function all(what, enabled)
  describe('convolutions on a GPU ' .. what, function()
    local before
    setup(function() before = torch.cuda.cudnn { enabled = enabled } end)
    teardown(function() torch.cuda.cudnn(before) end)

    for i, case in ipairs(CASES) do
      it(('%s %d is the CPU\'s'):format(case[1], i), function()
        check(case[1] .. ' ' .. i, run(case), inputs_of(case),
          { dtype = 'float64', gradient = enabled or 2, elsewhere = true })
        for _, dtype in ipairs(case.all and { 'float32', 'float16', 'bfloat16' } or {}) do
          check(case[1] .. ' ' .. i, run(case), inputs_of(case),
            { dtype = dtype, tolerance = TOLERANCE[dtype], elsewhere = true })
        end
      end)
    end

    it('need no CPU', function()
      local case = CASES[4]
      local x, w = values(case[2]), values(case[3])
      local counts = torch.cuda.detours()
      check('conv2d', run(case), { x, w })
      local after = torch.cuda.detours()
      for _, name in ipairs { 'convolve', 'convolve_input', 'convolve_weight' } do
        assert.equal(counts[name], after[name])
      end
    end)

    it('read any view', function()
      local w = values { 4, 3, 3, 3 }
      local f = function(view)
        return function(x, k) return torch.conv2d(view(x), k, nil, 1, 1) end
      end
      local x = values { 3, 2, 9, 7 }
      check('transposed', f(function(t) return t:transpose(1, 2) end), { x, w })
      check('pixels', f(function(t) return t:transpose(1, 2) end),
        { values { 3, 4, 9, 7 }:permute(2, 1, 3, 4):permute(1, 3, 4, 2):contiguous()
            :permute(1, 4, 2, 3):transpose(1, 2), w })
      check('part', f(function(t) return t:narrow(2, 1, 3):narrow(3, 2, 6) end),
        { values { 2, 5, 9, 7 }, w })
      check('one image', f(function(t) return t[1]:unsqueeze(1):expand(4, 3, 9, 7) end),
        { values { 2, 3, 9, 7 }, w }, { elsewhere = true })
      check('kernel', function(t, k) return torch.conv2d(t, k:transpose(1, 2)) end,
        { values { 2, 3, 9, 7 }, values { 3, 5, 3, 3 } })
    end)

    it('of many channels and images are right', function()
      if enabled then return end
      check('many', function(t, k) return torch.conv2d(t, k, nil, 1, 1) end,
        { values { 3, 33, 9, 13 }, values { 70, 33, 3, 3 } }, { tolerance = 1e-4 })
      check('parts', function(t, k) return torch.conv2d(t, k, nil, 1, 1) end,
        { values { 5, 16, 16, 16 }, values { 16, 16, 3, 3 } }, { tolerance = 1e-4 })
    end)

    it('of nothing are nothing', function()
      local w = values { 4, 3, 3, 3 }
      check('none', function(t, k) return torch.conv2d(t, k) end, { torch.zeros(0, 3, 5, 5), w })
    end)

    it('of integers are exact', function()
      for _, dtype in ipairs { 'int16', 'int32', 'int64' } do
        local x = torch.zeros(2, 3, 8, 8):uniform(-9, 9):to(dtype)
        local w = torch.Tensor(5, 3, 3, 3):uniform(-9, 9):to(dtype)
        check(dtype, function(t, k) return torch.conv2d(t, k, nil, 1, 1) end, { x, w })
      end
    end)

    it('keep what is no number', function()
      local x = values { 1, 2, 6, 6 }
      x[{ 1, 1, 3, 3 }] = 0 / 0
      x[{ 1, 2, 5, 5 }] = math.huge
      check('NaN', function(t, k) return torch.conv2d(t, k, nil, 1, 1) end,
        { x, values { 3, 2, 3, 3 } }, { gradient = false })
    end)
  end)
end

all('by kernels of our own', false)
all('by the library', true)

describe('cudnn', function()
  it('has settings', function()
    local before = torch.cuda.cudnn()
    assert.same({ enabled = true, benchmark = false, deterministic = false }, before)
    torch.cuda.cudnn { benchmark = true, deterministic = true }
    assert.same({ enabled = true, benchmark = true, deterministic = true },
      torch.cuda.cudnn(before))
    assert.same(before, torch.cuda.cudnn(nil))
    assert.has_error(function() torch.cuda.cudnn(1) end)
  end)

  it('sees channels beside each other as they are', function()
    local function pixels(x)
      return x:permute(1, 3, 4, 2):contiguous():permute(1, 4, 2, 3):detach()
    end
    for _, dtype in ipairs { 'float32', 'bfloat16' } do
      check('pixels', function(x, w) return torch.conv2d(pixels(x), w, nil, 1, 1) end,
        { values { 2, 3, 9, 7 }, values { 4, 3, 3, 3 } },
        { dtype = dtype, tolerance = TOLERANCE[dtype], gradient = false })
      check('pixels', function(x, w) return torch.conv2d(x, w, nil, 2, 1) end,
        { values { 2, 3, 9, 7 }, values { 4, 3, 3, 3 } },
        { dtype = dtype, tolerance = TOLERANCE[dtype],
          arrange = function(t) return t:size(1) == 2 and pixels(t) or t end })
    end
  end)
end)
