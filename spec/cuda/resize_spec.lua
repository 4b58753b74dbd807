-- Images padded, resized, taken apart and put together on a GPU, beside the CPU's.
local torch = require('torch')

if not torch.cuda.is_available() then return end

local beside = require('spec.cuda.beside_cpu')
local check = beside.check

local function image(...) return torch.Tensor(...):uniform(-2, 2) end

describe('padding on a GPU', function()
  local PADDINGS = { { 1, 2 }, { 2, 1, 1, 3 }, { 0, 0, 2, 2, 1, 1 } }
  for _, mode in ipairs { 'constant', 'reflect', 'replicate', 'circular' } do
    it(mode .. ' does what it does on the CPU', function()
      local x = image(3, 4, 5, 6)
      for _, paddings in ipairs(PADDINGS) do
        for _, dtype in ipairs(beside.floats) do
          check(mode, function(t) return torch.pad(t, paddings, mode) end, { x }, { dtype = dtype })
        end
        check(mode, function(t) return torch.pad(t:transpose(2, 4), paddings, mode) end, { x })
      end
      check(mode, function(t) return torch.pad(torch.cmul(t, t), { 2, 1, 1, 2 }, mode) end, { x },
        { gradient = 2, elsewhere = true })
      check(mode, function(t) return torch.pad(t, { -1, 3, 2, -2 }, mode) end, { x })
      check(mode, function(t) return torch.pad(t, { -2, -2 }, mode) end, { x })
    end)
  end

  it('has values of every type', function()
    for _, dtype in ipairs { 'uint8', 'int8', 'int16', 'int32', 'int64' } do
      local x = torch.range(1, 12):to(dtype):view(3, 4)
      check(dtype, function(t) return torch.pad(t, { 1, 2, 1, 0 }, 'constant', -3) end, { x })
      check(dtype, function(t) return torch.pad(t, { 1, 2, 1, 0 }, 'reflect') end, { x })
    end
    for _, dtype in ipairs(beside.floats) do
      for _, value in ipairs { -1.3, 1e30, math.huge } do
        check(dtype, function(t) return torch.pad(t, { 1, 2, 1, 0 }, 'constant', value) end,
          { image(3, 4) }, { dtype = dtype })
      end
    end
  end)

  it('of little, of none and of much', function()
    check('empty', function(t) return torch.pad(t, { 1, 1, 2, 0 }) end, { torch.zeros(0, 3) })
    check('empty', function(t) return torch.pad(t, { 1, 1 }) end, { torch.zeros(0, 3) })
    check('one', function(t) return torch.pad(t, { 3, 4 }, 'replicate') end, { image(2, 1) })
    check('much', function(t) return torch.pad(t, { 5, 6, 7, 8 }, 'reflect') end,
      { image(7, 40, 50) })
  end)
end)

describe('resizing on a GPU', function()
  local MODES = {
    { 'nearest', { 2, 3, 7 }, { 12 } }, { 'nearest', { 2, 3, 7, 5 }, { 4, 9 } },
    { 'nearest-exact', { 2, 3, 7, 5 }, { 11, 3 } }, { 'linear', { 2, 3, 7 }, { 10 } },
    { 'bilinear', { 2, 3, 7, 5 }, { 10, 3 } }, { 'bicubic', { 2, 3, 7, 5 }, { 10, 4 } },
    { 'trilinear', { 1, 2, 4, 5, 6 }, { 6, 3, 9 } }, { 'area', { 2, 3, 7, 5 }, { 3, 4 } },
    { 'nearest', { 1, 2, 4, 5, 6 }, { 2, 6, 9 } }, { 'bilinear', { 2, 3, 1, 1 }, { 4, 1 } },
    { 'bicubic', { 1, 1, 2, 9 }, { 7, 2 } },
  }
  for i, case in ipairs(MODES) do
    local mode, sizes, to = case[1], torch.LongStorage(case[2]), case[3]
    it(mode .. ' ' .. i .. ' does what it does on the CPU', function()
      local x = image(sizes)
      for _, dtype in ipairs(beside.floats) do
        check(mode, function(t) return torch.interpolate(t, to, nil, mode) end, { x },
          { dtype = dtype })
      end
      if mode:match('linear') or mode == 'bicubic' then
        check(mode .. ' aligned', function(t)
          return torch.interpolate(t, to, nil, mode, true)
        end, { x })
      end
      check(mode .. ' scaled', function(t)
        return torch.interpolate(t, nil, 1.7, mode)
      end, { x })
      check(mode .. ' turned', function(t)
        return torch.interpolate(t:transpose(1, 2), to, nil, mode)
      end, { x })
    end)
  end

  it('has gradients of gradients', function()
    check('second', function(t)
      return torch.interpolate(torch.cmul(t, t), { 9, 4 }, nil, 'bilinear')
    end,
      { image(1, 2, 5, 6) }, { gradient = 2, elsewhere = true })
  end)

  it('shuffles pixels and channels', function()
    check('shuffle', function(t) return torch.pixel_shuffle(t, 2) end, { image(2, 8, 3, 4) })
    check('unshuffle', function(t) return torch.pixel_unshuffle(t, 2) end, { image(2, 3, 4, 6) })
    check('channels', function(t) return torch.channel_shuffle(t, 3) end, { image(2, 6, 4, 6) })
  end)
end)

describe('columns on a GPU', function()
  local WINDOWS = {
    { 3 }, { { 2, 3 }, 1, { 1, 2 }, 2 }, { 3, 2, 2, { 2, 1 } }, { 1, 1, 0, 3 },
  }
  local unpack = table.unpack or unpack
  for i, window in ipairs(WINDOWS) do
    it('of window ' .. i .. ' are what they are on the CPU', function()
      local x = image(2, 3, 9, 11)
      local function take(t) return torch.im2col(t, unpack(window)) end
      local function add(t) return torch.col2im(t, { 9, 11 }, unpack(window)) end
      for _, dtype in ipairs(beside.floats) do
        check('im2col', take, { x }, { dtype = dtype })
        check('col2im', add, { take(x) }, { dtype = dtype })
      end
      check('im2col', function(t) return take(t[1]) end, { x })
      check('im2col', function(t) return take(t:transpose(1, 2)) end, { x })
      check('col2im', function(t) return add(t[1]) end, { take(x) })
      check('col2im', function(t) return add(t:transpose(1, 2):contiguous():transpose(1, 2)) end,
        { take(x) })
      check('col2im', function(t) return add(torch.cmul(t, t)) end, { take(x) },
        { gradient = 2, elsewhere = true })
      for _, dtype in ipairs { 'uint8', 'int16', 'int32', 'int64' } do
        local n = torch.Tensor(2, 3, 9, 11):uniform(0, 9):to(dtype)
        check(dtype, take, { n })
        check(dtype, add, { take(n) })
      end
    end)
  end

  it('of none and of many', function()
    check('none', function(t) return torch.im2col(t, 2) end, { torch.zeros(0, 3, 4, 4) })
    check('many', function(t) return torch.im2col(t, 3, 1, 1) end, { image(3, 7, 21, 23) })
    check('many', function(t) return torch.col2im(t, { 21, 23 }, 3, 1, 1) end,
      { torch.im2col(image(3, 7, 21, 23), 3, 1, 1) })
  end)
end)
