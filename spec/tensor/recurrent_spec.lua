-- torch.lstm_layer, gru_layer and rnn_layer against the same made of plain operations, step by
-- step, in sizes that take each of the ways through tensor/cpu/recurrent.c.
local torch = require 'torch'
local tensors = require 'spec.support.tensors'

local GATES = {lstm = 4, gru = 3, tanh = 1, relu = 1}

local function gate(x, count, k)
  local size = x:size(2) / count
  return x:narrow(2, (k - 1) * size + 1, size)
end

local function step(kind, a, b, h, c)
  if kind == 'lstm' then
    local sums = a + b
    local function of(k) return gate(sums, 4, k) end
    local cell = torch.cmul(torch.sigmoid(of(2)), c)
      + torch.cmul(torch.sigmoid(of(1)), torch.tanh(of(3)))
    return torch.cmul(torch.sigmoid(of(4)), torch.tanh(cell)), cell
  elseif kind == 'gru' then
    local r = torch.sigmoid(gate(a, 3, 1) + gate(b, 3, 1))
    local z = torch.sigmoid(gate(a, 3, 2) + gate(b, 3, 2))
    local n = torch.tanh(gate(a, 3, 3) + torch.cmul(r, gate(b, 3, 3)))
    return torch.cmul(1 - z, n) + torch.cmul(z, h), c
  end
  return torch[kind](a + b), c
end

local function plain(kind, p, lengths, reverse)
  local time, batch, outputs = p.x:size(1), p.x:size(2), {}
  local h, c = p.h, p.c
  for k = 1, time do
    local t = reverse and time + 1 - k or k
    local new_h, new_c = step(kind, torch.linear(p.x[t], p.w_ih, p.b_ih),
      torch.linear(h, p.w_hh, p.b_hh), h, c)
    outputs[t] = new_h
    if lengths then
      local on = torch.ge(lengths, t):type(h:type()):view(batch, 1):expandAs(h)
      outputs[t] = torch.cmul(new_h, on)
      h = h + torch.cmul(new_h - h, on)
      if c then c = c + torch.cmul(new_c - c, on) end
    else
      h, c = new_h, new_c
    end
  end
  return torch.stack(outputs, 1), h, c
end

local function fused(kind, p, lengths, reverse)
  if kind == 'lstm' then
    return torch.lstm_layer(p.x, p.h, p.c, p.w_ih, p.w_hh, p.b_ih, p.b_hh, lengths, reverse)
  elseif kind == 'gru' then
    return torch.gru_layer(p.x, p.h, p.w_ih, p.w_hh, p.b_ih, p.b_hh, lengths, reverse)
  end
  return torch.rnn_layer(p.x, p.h, p.w_ih, p.w_hh, p.b_ih, p.b_hh, lengths, reverse, kind)
end

-- The same where the input is multiplied beforehand.
local function multiplied(kind, p, lengths, reverse)
  local q = {}
  for name, tensor in pairs(p) do q[name] = tensor end
  q.x, q.w_ih = torch.linear(p.x, p.w_ih), nil
  return fused(kind, q, lengths, reverse)
end

local function parameters(kind, time, batch, features, hidden)
  local rows, scale = GATES[kind] * hidden, 1 / math.sqrt(hidden)
  local function randn(...) return torch.randn(...):double() end
  return {x = randn(time, batch, features), h = randn(batch, hidden),
    c = kind == 'lstm' and randn(batch, hidden) or nil, w_ih = randn(rows, features):mul(scale),
    w_hh = randn(rows, hidden):mul(scale), b_ih = randn(rows), b_hh = randn(rows)}
end

-- Results and gradients of a weighted sum of the results.
local function differentiated(f, kind, given, dtype, lengths, reverse)
  local p = {}
  for name, tensor in pairs(given) do
    p[name] = tensor:type(dtype):clone()
    p[name].requires_grad = true
  end
  local results, total = {f(kind, p, lengths, reverse)}, 0
  for k = 1, kind == 'lstm' and 3 or 2 do
    local weights = torch.range(1, results[k]:nElement()):mul(0.7):sin():type(dtype)
    total = total + torch.cmul(results[k], weights:viewAs(results[k]:detach())):sum()
  end
  total:backward()
  local out = {y = results[1]:detach(), h_n = results[2]:detach()}
  if kind == 'lstm' then out.c_n = results[3]:detach() end
  for name, tensor in pairs(p) do out['d' .. name] = tensor.grad end
  return out
end

local SIZES = { -- time, batch, features, hidden
  ['one step'] = {1, 1, 2, 3},
  ['few rows'] = {3, 2, 4, 5},
  ['some rows, as many units as fit'] = {6, 7, 3, 64},
  ['rows and units that do not divide'] = {4, 13, 17, 70},
  ['a batch for several threads'] = {3, 50, 33, 48},
  ['one sequence with many units'] = {4, 1, 5, 256},
  ['steps in several parts'] = {80, 3, 2, 300, only = 'lstm'},
  ['weights that fit no cache'] = {2, 9, 300, 300},
  ['no features'] = {3, 5, 0, 4},
}

for kind in pairs(GATES) do
  describe('the ' .. kind .. ' layer', function()
    for name, size in pairs(SIZES) do
      local skipped = size.only and size.only ~= kind
      it('is right for ' .. name, function()
        if skipped then return end
        torch.manualSeed(4)
        local p = parameters(kind, size[1], size[2], size[3], size[4])
        local some = torch.LongTensor(size[2]):random(1, size[1])
        for _, lengths in ipairs(size.only and {false} or {false, some}) do
          for _, reverse in ipairs {false, true} do
            local expected = differentiated(plain, kind, p, 'torch.DoubleTensor', lengths or nil,
              reverse)
            for dtype, tolerance in pairs {['torch.DoubleTensor'] = 1e-9,
              ['torch.FloatTensor'] = 1e-4} do
              for _, way in ipairs {fused, multiplied} do
                local got = differentiated(way, kind, p, dtype, lengths or nil, reverse)
                for what, want in pairs(expected) do
                  tensors.assert_same(want:type(dtype), got[what], tolerance, what)
                end
              end
            end
            for _, way in ipairs {fused, multiplied} do
              local y, h, c = torch.no_grad(way, kind, p, lengths or nil, reverse)
              tensors.assert_same(expected.y, y, 1e-9)
              tensors.assert_same(expected.h_n, h, 1e-9)
              if c then tensors.assert_same(expected.c_n, c, 1e-9) end
            end
          end
        end
      end)
    end

    it('begins with zeros, and does without biases', function()
      local p = parameters(kind, 3, 2, 4, 5)
      local q = parameters(kind, 3, 2, 4, 5)
      q.x, q.w_ih, q.w_hh = p.x, p.w_ih, p.w_hh
      q.h, q.c, q.b_ih, q.b_hh = nil, nil, nil, nil
      p.h:zero()
      if p.c then p.c:zero() end
      p.b_ih:zero()
      p.b_hh:zero()
      tensors.assert_same((fused(kind, p)), (fused(kind, q)))
    end)

    it('adds to gradients that are there already', function()
      local p = parameters(kind, 3, 2, 4, 5)
      for _, tensor in pairs(p) do tensor.requires_grad = true end
      local function run()
        local y = fused(kind, p)
        y:sum():backward()
        return p.w_ih.grad:clone(), p.w_hh.grad:clone(), p.b_hh.grad:clone()
      end
      local once, twice = {run()}, {run()}
      for k = 1, 3 do tensors.assert_same(once[k] * 2, twice[k], 1e-9) end
    end)
  end)
end

describe('a recurrent layer', function()
  local x, w_ih, w_hh = torch.randn(3, 2, 4), torch.randn(20, 4), torch.randn(20, 5)
  local function fails(pattern, ...)
    local arguments, count = {...}, select('#', ...)
    assert.error_matches(function()
      torch.lstm_layer((table.unpack or unpack)(arguments, 1, count))
    end, pattern)
  end

  it('says what does not fit', function()
    fails('w_ih has size %[20x4%], expected %[20x3%]', torch.randn(3, 2, 3), nil, nil, w_ih, w_hh)
    fails('w_hh of size 4 %* hidden x hidden expected, got %[20x4%]', x, nil, nil, w_ih, w_ih)
    fails('h0 has size %[1x5%], expected %[2x5%]', x, torch.zeros(1, 5), nil, w_ih, w_hh)
    fails('b_ih has size %[5%], expected %[20%]', x, nil, nil, w_ih, w_hh, torch.zeros(5))
    fails('time x batch x features', torch.randn(3, 4), nil, nil, w_ih, w_hh)
    fails('one step or more, got %[0x2x4%]', torch.zeros(0, 2, 4), nil, nil, w_ih, w_hh)
    fails('w_hh is of float64, but x of float32', x, nil, nil, w_ih, w_hh:double())
  end)

  it('says how wide an input is that is multiplied already', function()
    fails('without w_ih x has 20 features, for w_hh of size %[20x5%], got 4', x, nil, nil, nil,
      w_hh)
  end)

  it('refuses lengths that are none', function()
    local function lengths(...) return x, nil, nil, w_ih, w_hh, nil, nil, torch.LongTensor {...} end
    fails('length 4 of sequence 2: between 1 and 3', lengths(1, 4))
    fails('length 0 of sequence 1', lengths(0, 3))
    fails('lengths has size %[1%], expected %[2%]', lengths(1))
    fails('whole numbers', x, nil, nil, w_ih, w_hh, nil, nil, torch.FloatTensor {1, 2})
  end)

  it('takes an empty batch', function()
    local p = torch.randn(3, 0, 4)
    p.requires_grad = true
    local y, h = torch.lstm_layer(p, nil, nil, w_ih, w_hh)
    assert.same({3, 0, 5}, y:size():totable())
    assert.same({0, 5}, h:size():totable())
    y:sum():backward()
    assert.same({3, 0, 4}, p.grad:size():totable())
  end)

  it('has no second gradient', function()
    local leaf = x:clone()
    leaf.requires_grad = true
    local y = torch.lstm_layer(leaf, nil, nil, w_ih, w_hh)
    assert.error_matches(function()
      torch.grad(y:sum(), leaf, nil, {create_graph = true})
    end, 'no second gradient')
  end)
end)
