-- Kernels of convolutions whose order for the library is kept: whoever writes into the weights in
-- whatever way, the next result knows of it.
local torch = require 'torch'

local function convolve(x, w)
  return torch.no_grad(function() return torch.conv2d(x, w, nil, 1, 1) end)
end

-- The same by products of matrices, which keep nothing.
local function reference(x, w)
  local columns = torch.im2col(x, {3, 3}, 1, 1, 1)
  return torch.matmul(w:view(w:size(1), -1), columns):view(x:size(1), w:size(1), x:size(3),
    x:size(4))
end

describe('a kernel that is used again', function()
  local x, w

  local function agrees()
    local expected, got = reference(x, w), convolve(x, w)
    assert.is_true((expected - got):abs():max() < 1e-5 * expected:abs():max())
    assert.is_true(convolve(x, w):equal(got))
  end

  before_each(function()
    torch.manualSeed(1)
    x, w = torch.randn(2, 64, 20, 20), torch.randn(64, 64, 3, 3)
    agrees()
  end)

  it('is changed as a whole, and in parts', function()
    w:mul(2)
    agrees()
    w:narrow(1, 1, 32):zero()
    agrees()
    w[3][2][1][1] = 100
    agrees()
    w:copy(torch.randn(64, 64, 3, 3))
    agrees()
  end)

  it('is changed through its storage, and through another tensor of it', function()
    local storage = w:storage()
    storage[77] = 55
    agrees()
    torch.FloatTensor(storage, 1, torch.LongStorage{10}):fill(9)
    agrees()
    storage:fill(0.5)
    agrees()
    w:set(torch.randn(64, 64, 3, 3))
    agrees()
  end)

  it('is one of several in a storage', function()
    local both = torch.randn(2, 64, 64, 3, 3)
    for round = 1, 3 do
      for i = 1, 2 do
        w = both[i]
        agrees()
      end
      if round == 1 then both[2]:mul(-1) else both:add(0.01) end
    end
    local many = torch.randn(300, 64, 3, 3) -- more than are kept
    for first = 1, 236, 5 do
      w = many:narrow(1, first, 64)
      agrees()
    end
    many:mul(2)
    agrees()
  end)

  it('is changed by a step of an optimizer', function()
    w.requires_grad = true
    torch.conv2d(x, w, nil, 1, 1):sum():backward()
    require('optim').SGD({w}, {lr = 0.1}):step()
    w = w:detach()
    agrees()
  end)

  it('is used by both ways, for more images and for fewer', function()
    local few = torch.randn(1, 64, 4, 4)
    for _ = 1, 3 do
      agrees()
      local expected, got = reference(few, w), convolve(few, w)
      assert.is_true((expected - got):abs():max() < 1e-5 * expected:abs():max())
      w:add(1)
    end
  end)

  it('is used forwards and backwards', function()
    local y = torch.randn(2, 64, 20, 20)
    for _ = 1, 3 do
      agrees()
      local got = torch.no_grad(torch.conv_transpose2d, y, w, nil, 1, 1)
      local turned = w:flip(3, 4):transpose(1, 2):contiguous()
      local expected = reference(y, turned)
      assert.is_true((expected - got):abs():max() < 1e-5 * expected:abs():max())
      w:mul(0.5)
    end
  end)

  it('is changed by a function', function()
    w:apply(function(value) return value + 1 end)
    agrees()
  end)

  it('is changed through a pointer', function()
    if not pcall(require, 'ffi') then return end
    local pointer = w:data()
    agrees()
    pointer[5] = 300
    agrees()
    w:storage():data()[6] = 400
    agrees()
  end)
end)
