-- Images whose channels lie beside each other on a GPU: what is made of them lies so too, and is
-- what the CPU makes of them.
local torch = require('torch')

if not torch.cuda.is_available() then return end

local beside = require('spec.cuda.beside_cpu')
local unpack = table.unpack or unpack

local function last(x)
  local n = x:dim()
  local there, back = { 1 }, { 1, n }
  for d = 3, n do
    there[#there + 1] = d
    back[#back + 1] = d - 1
  end
  there[#there + 1] = 2
  return x:permute(unpack(there)):contiguous():permute(unpack(back)):detach()
end

local function image(...) return torch.Tensor(...):uniform(-1, 1) end

local function is_last(x)
  return x:stride(2) == 1 and x:stride(1) == x:nElement() / x:size(1) and not x:isContiguous()
end

describe('channels last on a GPU', function()
  local x = image(2, 6, 8, 9)

  it('stay so', function()
    local g = last(x:cuda())
    local w = image(4, 6, 3, 3):cuda()
    assert.is_true(is_last(g))
    assert.is_true(is_last(torch.conv2d(g, w, nil, 1, 1)))
    assert.is_true(is_last((torch.max_pool2d(g, 2))))
    assert.is_true(is_last(torch.avg_pool2d(g, 3, 2, 1)))
    assert.is_true(is_last(torch.tanh(g)))
    assert.is_true(is_last(torch.add(g, g)))
    assert.is_true(is_last(torch.add(g, x:cuda())))
    assert.is_true(is_last(torch.add(x:cuda(), g)))
    assert.is_true(is_last(g:to('bfloat16')))
    assert.is_true(is_last(torch.conv_transpose2d(g, image(6, 3, 2, 2):cuda(), nil, 2)))
    assert.is_true(is_last(last(image(2, 6, 3, 4, 5):cuda()):add(1)))
    assert.is_true(torch.adaptive_avg_pool2d(g, 1):isContiguous())
  end)

  it('are what they were', function()
    for _, dtype in ipairs(beside.floats) do
      for name, f in pairs {
        tanh = function(t) return torch.tanh(t) end,
        mixed = function(t) return torch.cmul(t, torch.add(t, 1)) end,
        broadcast = function(t, row) return torch.cmul(t, row) end,
        max = function(t) return (torch.max_pool2d(torch.tanh(t), 3, 2, 1)) end,
        mean = function(t) return torch.avg_pool2d(torch.tanh(t), 3, 2, 1) end,
        compare = function(t) return torch.gt(t, 0) end,
      } do
        beside.check(name, f, { x, image(6, 1, 9) },
          { dtype = dtype, arrange = function(t) return t:dim() == 4 and last(t) or t end,
            gradient = name == 'tanh' or name == 'mixed' or name == 'max' or name == 'mean',
            tolerance = dtype == 'bfloat16' and 5e-2 or dtype == 'float16' and 1e-2 or nil,
            elsewhere = true })
      end
    end
  end)

  it('go through a small network and back', function()
    for _, enabled in ipairs { true, false } do
      local before = torch.cuda.cudnn { enabled = enabled }
      local function network(t, a, b, c)
        local y = torch.conv2d(t, a, nil, 2, 1)
        y = torch.cmax(y, 0)
        y = torch.max_pool2d(y, 3, 1, 1)
        local z = torch.conv2d(y, b)
        y = torch.add(torch.tanh(z), torch.conv2d(y, c, nil, 1, 1))
        return torch.adaptive_avg_pool2d(y, 1)
      end
      beside.check('network', network,
        { x, image(5, 6, 3, 3), image(7, 5, 1, 1), image(7, 5, 3, 3) },
        { dtype = 'float64', gradient = 2, elsewhere = true,
          arrange = function(t) return t:size(1) == 2 and last(t) or t end })
      torch.cuda.cudnn(before)
    end
  end)

  it('go through batch norm', function()
    local function layer(t, w, b)
      return torch.batch_norm(t, nil, nil, w, b, true)
    end
    local weights = { image(6):abs():add(0.5), image(6) }
    for _, dtype in ipairs { 'float64', 'float32' } do
      beside.check('batch norm', layer, { x, weights[1], weights[2] },
        { dtype = dtype, gradient = dtype == 'float64' and 2 or true, elsewhere = true,
          arrange = function(t) return t:dim() == 4 and last(t) or t end })
      beside.check('in use', function(t, w, b)
        return torch.batch_norm(t, w:detach(), w:detach(), w, b)
      end, { x, weights[1], weights[2] }, { dtype = dtype, elsewhere = true,
        arrange = function(t) return t:dim() == 4 and last(t) or t end })
    end
    beside.check('in place behind it', function(t, w, b)
      local y = torch.batch_norm(torch.tanh(t), nil, nil, w, b, true)
      y:mul(2)
      return torch.cmul(y, y)
    end, { x, weights[1], weights[2] }, { dtype = 'float64', elsewhere = true,
      arrange = function(t) return t:dim() == 4 and last(t) or t end })
    local g = last(x:cuda())
    assert.is_true(is_last(torch.batch_norm(g, nil, nil, nil, nil, true)))
  end)

  it('are written into what is given', function()
    local g = last(x:cuda())
    local out = torch.zeros(2, 6, 8, 9):cuda()
    torch.tanh(out, g)
    assert.is_true(out:isContiguous())
    beside.near(out, torch.tanh(x), 1e-6, 'given')
    local turned = last(torch.zeros(2, 6, 8, 9):cuda())
    torch.tanh(turned, x:cuda())
    beside.near(turned, torch.tanh(x), 1e-6, 'given')
    g:mul(2)
    beside.near(g, torch.mul(x, 2), 1e-6, 'in place')
  end)
end)
