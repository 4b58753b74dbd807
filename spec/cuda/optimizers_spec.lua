-- Steps of optimizers on a GPU, one by one and in lists, and what happens to gradients before.
local torch = require 'torch'
local optim = require 'optim'

if not torch.cuda.is_available() then return end

local compare = require 'spec.cuda.layers_compare'
local near = compare.near

local SIZES = {{3, 5}, {1}, {4097}, {70, 300}, {0}, {7, 3, 2}}

local function tensors(dtype, count)
  local out = {}
  for i = 1, count do
    local size = i <= #SIZES and SIZES[i] or {1 + i % 5, 3}
    out[i] = torch.randn(size):to(dtype)
  end
  return out
end

local function moved(list)
  local out = {}
  for i, t in ipairs(list) do out[i] = t:cuda() end
  return out
end

local function clones(list)
  local out = {}
  for i, t in ipairs(list) do out[i] = t:clone() end
  return out
end

local function all_near(got, expected, tolerance, what)
  for i, t in ipairs(expected) do near(got[i], t, tolerance, what .. ' ' .. i) end
end

describe('a step on a GPU', function()
  it('of adam_step is the CPU\'s', function()
    for _, dtype in ipairs {'float32', 'float64'} do
      for _, size in ipairs(SIZES) do
        local here = {torch.randn(size):to(dtype), torch.randn(size):to(dtype),
          torch.randn(size):to(dtype), torch.rand(size):to(dtype)}
        local there = moved(here)
        for t = 1, 3 do
          here[1]:adam_step(here[2], here[3], here[4], 0.1, 0.9, 0.99, 1e-8, 0.01, 0.02, t)
          compare.stays(there[1].adam_step, there[1], there[2], there[3], there[4], 0.1, 0.9, 0.99,
            1e-8, 0.01, 0.02, t)
        end
        all_near(there, here, compare.TOLERANCE[dtype], 'adam_step')
      end
    end
  end)

  it('of sgd_step is the CPU\'s', function()
    for _, dtype in ipairs {'float32', 'float64'} do
      for _, nesterov in ipairs {false, true} do
        local here = {torch.randn(70, 90):to(dtype), torch.randn(70, 90):to(dtype),
          torch.zeros(70, 90):to(dtype):fill(0 / 0)}
        local there = moved(here)
        for t = 1, 3 do
          here[1]:sgd_step(here[2], here[3], 0.1, 0.9, nesterov and 0 or 0.1, 0.01, nesterov,
            t == 1)
          compare.stays(there[1].sgd_step, there[1], there[2], there[3], 0.1, 0.9,
            nesterov and 0 or 0.1, 0.01, nesterov, t == 1)
        end
        here[1]:sgd_step(here[2], nil, 0.1, 0, 0, 0.01)
        compare.stays(there[1].sgd_step, there[1], there[2], nil, 0.1, 0, 0, 0.01)
        all_near(there, here, compare.TOLERANCE[dtype], 'sgd_step')
      end
    end
  end)

  it('of memory that is not aligned is right, too', function()
    local here = torch.randn(4, 501)
    local there = here:cuda()
    local function step(x)
      local p = {}
      for i = 1, 4 do p[i] = x[i]:narrow(1, 2, 499) end
      p[4]:abs()
      p[1]:adam_step(p[2], p[3], p[4], 0.1, 0.9, 0.99, 1e-8, 0, 0, 1)
    end
    step(here)
    step(there)
    near(there, here, 1e-5, 'adam_step')
  end)
end)

describe('lists of tensors', function()
  it('take a step of Adam at once', function()
    for _, count in ipairs {1, 6, 150} do
      local function made() return tensors('float32', count) end
      local x, g, m = made(), made(), made()
      if count == 6 then -- dtypes may be mixed
        x[4], g[4], m[4] = x[4]:double(), g[4]:double(), m[4]:double()
      end
      local v = clones(m)
      for _, t in ipairs(v) do t:abs() end
      local function run(a, b, c, d)
        local list = {}
        for i = 1, count do
          for _, t in ipairs {a[i], b[i], c[i], d[i]} do list[#list + 1] = t end
        end
        local first = torch.adam_steps(list, 0.1, 0.9, 0.99, 1e-8, 0.01, 0.02, 2)
        assert.is_true(torch.pointer(first) ~= nil)
      end
      local gx, gg, gm, gv = moved(x), moved(g), moved(m), moved(v)
      local hx, hm, hv = clones(x), clones(m), clones(v)
      run(x, g, m, v)
      for i = 1, count do
        hx[i]:adam_step(g[i], hm[i], hv[i], 0.1, 0.9, 0.99, 1e-8, 0.01, 0.02, 2)
      end
      all_near(x, hx, 0, 'on the CPU')
      compare.stays(run, gx, gg, gm, gv)
      all_near(gx, x, 1e-5, 'x')
      all_near(gm, m, 1e-5, 'm')
      all_near(gv, v, 1e-5, 'v')
    end
  end)

  it('take a step of gradient descent at once', function()
    for _, momentum in ipairs {0, 0.9} do
      local x, g, v = tensors('float32', 13), tensors('float32', 13), tensors('float32', 13)
      local gx, gg, gv = moved(x), moved(g), moved(v)
      local function run(a, b, c)
        local list = {}
        for i = 1, 13 do
          list[#list + 1] = a[i]
          list[#list + 1] = b[i]
          if momentum ~= 0 then list[#list + 1] = c[i] end
        end
        torch.sgd_steps(list, 0.1, momentum, 0.1, 0.01, false, false)
      end
      run(x, g, v)
      compare.stays(run, gx, gg, gv)
      all_near(gx, x, 1e-5, 'x')
      all_near(gv, v, 1e-5, 'v')
    end
  end)

  it('say what is wrong with them', function()
    local x = torch.randn(3)
    for _, list in ipairs {{x}, {x, x, x}} do
      assert.has_error(function() torch.adam_steps(list, 0.1, 0.9, 0.99, 1e-8, 0, 0, 1) end)
    end
    assert.has_error(function() torch.adam_steps({x, x, x, x}, 0.1, 0.9, 0.99, 1e-8, 0, 0, 0) end)
    local y = torch.randn(4):cuda()
    local z = x:cuda()
    assert.has_error(function() torch.adam_steps({y, y, y, z}, 0.1, 0.9, 0.99, 1e-8, 0, 0, 1) end)
    assert.has_error(function() torch.clip_norms({torch.LongTensor(3):zero():cuda()}, 1) end)
  end)

  it('are clipped by their norm', function()
    for _, dtype in ipairs(compare.FLOATS) do
      for _, limit in ipairs {0.5, 1e6} do
        local g = tensors(dtype, 150)
        local there = moved(g)
        local expected = torch.clip_norms(g, limit)
        local norm = compare.stays(torch.clip_norms, there, limit)
        if torch.isTensor(norm) then norm = norm:item() end
        if torch.isTensor(expected) then expected = expected:item() end
        assert.is_true(math.abs(norm / expected - 1) < 1e-5)
        all_near(there, g, compare.TOLERANCE[dtype], 'clipped')
      end
    end
  end)

  it('are scaled, and looked through for infinities', function()
    for _, dtype in ipairs(compare.FLOATS) do
      for _, value in ipairs {1, math.huge, -math.huge, 0 / 0} do
        local g = tensors(dtype, 80)
        g[70][1][2] = value
        local there = moved(g)
        local wrong, found = torch.unscale_steps(g, 0.25),
          compare.stays(torch.unscale_steps, there, 0.25)
        if torch.isTensor(found) then found = found:item() end
        if torch.isTensor(wrong) then wrong = wrong:item() end
        assert.are.equal(value == 1 and 0 or 1, wrong)
        assert.are.equal(wrong, found)
        all_near(there, g, compare.TOLERANCE[dtype], 'scaled')
      end
    end
  end)
end)

describe('an optimizer on a GPU', function()
  local function train(device, name, options, strided)
    torch.manualSeed(5)
    local w, b = torch.randn(5, 3), torch.randn(3)
    local input, target = torch.randn(16, 5):to(device), torch.randn(16, 3):to(device)
    w, b = w:to(device):detach(), b:to(device):detach()
    if strided then w = w:t():contiguous():t() end
    w.requires_grad, b.requires_grad = true, true
    local steps = optim[name]({w, b}, options)
    for _ = 1, 5 do
      steps:zero_grad()
      local loss = torch.csub(torch.mm(input, w) + b, target)
      torch.cmul(loss, loss):mean():backward()
      steps:step()
    end
    return w:detach(), b:detach()
  end

  for _, case in ipairs {{'Adam', {lr = 0.1, weight_decay = 0.01}}, {'AdamW', {lr = 0.1}},
      {'SGD', {lr = 0.1}}, {'SGD', {lr = 0.1, momentum = 0.9, nesterov = true}},
      {'SGD', {lr = 0.1, momentum = 0.9, dampening = 0.2, weight_decay = 0.1}}} do
    it(case[1] .. ' goes where it goes on the CPU', function()
      for _, strided in ipairs {false, true} do
        local w, b = train('cpu', case[1], case[2], strided)
        local gw, gb = train('cuda', case[1], case[2], strided)
        near(gw, w, 1e-4, 'weights')
        near(gb, b, 1e-4, 'biases')
      end
    end)
  end

  it('has its gradients clipped', function()
    local a, b = torch.randn(30, 4), torch.randn(9)
    local function clip(device, limit)
      local list = {}
      for i, t in ipairs {a, b} do
        local p = t:to(device):detach()
        p.requires_grad = true
        torch.cmul(p, p):sum():backward()
        list[i] = p
      end
      local norm = optim.clip_grad_norm_(list, limit)
      return torch.isTensor(norm) and norm:item() or norm, list[1].grad, list[2].grad
    end
    for _, limit in ipairs {1, 1000} do
      local norm, x, y = clip('cpu', limit)
      local there, gx, gy = clip('cuda', limit)
      assert.is_true(math.abs(there / norm - 1) < 1e-5)
      near(gx, x, 1e-5, 'first')
      near(gy, y, 1e-5, 'second')
    end
  end)
end)
