-- Recurrent layers on a GPU beside the CPU: results and gradients, with and without states, biases,
-- lengths, and a multiplied input.
local torch = require 'torch'
local tensors = require 'spec.support.tensors'

if not torch.cuda.is_available() then return end

local GATES = {lstm = 4, gru = 3, tanh = 1, relu = 1}
local TOLERANCE = {float64 = 1e-11, float32 = 2e-5, float16 = 4e-3, bfloat16 = 3e-2}
local NAMES = {'x', 'h', 'c', 'w_ih', 'w_hh', 'b_ih', 'b_hh'}

local function layer(kind, p, lengths, reverse)
  if kind == 'lstm' then
    return torch.lstm_layer(p.x, p.h, p.c, p.w_ih, p.w_hh, p.b_ih, p.b_hh, lengths, reverse)
  elseif kind == 'gru' then
    return torch.gru_layer(p.x, p.h, p.w_ih, p.w_hh, p.b_ih, p.b_hh, lengths, reverse)
  end
  return torch.rnn_layer(p.x, p.h, p.w_ih, p.w_hh, p.b_ih, p.b_hh, lengths, reverse, kind)
end

local function close(expected, got, dtype, what)
  assert.are.equal('cuda', got.device:sub(1, 4))
  assert.are.equal(expected.dtype, got.dtype)
  expected, got = expected:detach():double(), got:detach():cpu():double()
  if expected:nElement() == 0 then return end
  local largest = math.max(1, torch.abs(expected):max())
  tensors.assert_same(expected / largest, got / largest, TOLERANCE[dtype], what)
end

local function detours()
  local all, own = torch.cuda.detours(), {}
  for _, kind in ipairs {'lstm', 'gru', 'rnn'} do own[kind] = all[kind .. '_layer_steps'] or 0 end
  return own
end

-- sizes: time, batch, features (nil: multiplied already), hidden. given: bare (neither states nor
-- biases), lengths (a type), reverse, wide (an input with gaps).
local function check(kind, dtype, sizes, given)
  given = given or {}
  local time, batch, features, hidden = sizes[1], sizes[2], sizes[3], sizes[4]
  local rows = GATES[kind] * hidden
  torch.manualSeed(5)
  local function make(scale, ...) return (torch.randn(...) * scale):to(dtype) end
  local scale = 1 / math.sqrt(hidden)
  local values = {x = make(1, time, batch, features or rows), w_hh = make(scale, rows, hidden)}
  if features then values.w_ih = make(scale, rows, features) end
  if not given.bare then
    values.h, values.b_ih, values.b_hh = make(1, batch, hidden), make(1, rows), make(1, rows)
    if kind == 'lstm' then values.c = make(1, batch, hidden) end
  end
  local lengths
  if given.lengths then
    lengths = torch.range(1, batch):apply(function(i) return (i * 5) % time + 1 end)
      :to(given.lengths)
  end
  local d = {make(1, time, batch, hidden), make(1, batch, hidden), make(1, batch, hidden)}
  local function run(move)
    local p, leaves, names = {}, {}, {}
    for _, name in ipairs(NAMES) do
      if values[name] then
        local x = move(values[name]):clone():requiresGrad()
        leaves[#leaves + 1], names[#names + 1] = x, name
        p[name] = x
      end
    end
    if given.wide then p.x = tensors.strided(p.x) end
    local results = {layer(kind, p, lengths and move(lengths), given.reverse or false)}
    local arrived = {}
    for i = 1, #results do arrived[i] = move(d[i]) end
    local gradients = torch.grad(results, leaves, arrived)
    local without = torch.no_grad(function()
      return {layer(kind, p, lengths and move(lengths), given.reverse or false)}
    end)
    return results, gradients, without, names
  end
  local before = detours()
  local got, got_gradients, got_without = run(function(x) return x:cuda() end)
  assert.are.same(before, detours())
  local wanted, gradients, without, names = run(function(x) return x end)
  for i = 1, #wanted do
    close(wanted[i], got[i], dtype, 'result ' .. i)
    close(without[i], got_without[i], dtype, 'result without a gradient ' .. i)
  end
  for i = 1, #names do close(gradients[i], got_gradients[i], dtype, 'gradient of ' .. names[i]) end
end

for _, kind in ipairs {'lstm', 'gru', 'tanh', 'relu'} do
  describe('a recurrent layer on a GPU: ' .. kind, function()
    for _, dtype in ipairs {'float64', 'float32'} do
      it('has the CPU\'s results and gradients in ' .. dtype, function()
        check(kind, dtype, {4, 9, 7, 12})
        check(kind, dtype, {3, 5, 3, 37}, {wide = true})
        check(kind, dtype, {1, 1, 1, 1})
      end)

      it('goes backwards, without states and biases in ' .. dtype, function()
        check(kind, dtype, {5, 6, 4, 10}, {reverse = true})
        check(kind, dtype, {3, 4, 4, 20}, {bare = true})
        check(kind, dtype, {3, 4, 4, 20}, {bare = true, reverse = true})
      end)

      it('heeds lengths in ' .. dtype, function()
        check(kind, dtype, {7, 10, 4, 8}, {lengths = 'int64'})
        check(kind, dtype, {7, 10, 4, 8}, {lengths = 'int32', reverse = true})
        check(kind, dtype, {6, 5, 4, 8}, {lengths = 'uint8', reverse = true, bare = true})
      end)

      it('takes a multiplied input in ' .. dtype, function()
        check(kind, dtype, {4, 6, nil, 9})
        check(kind, dtype, {4, 6, nil, 9}, {reverse = true, lengths = 'int64'})
      end)
    end

    it('takes large sizes', function()
      check(kind, 'float32', {2, 35, 20, 130})
      check(kind, 'float32', {2, 3, 20, 300}, {lengths = 'int64'})
    end)

    it('takes half precision', function()
      for _, dtype in ipairs {'float16', 'bfloat16'} do
        check(kind, dtype, {3, 5, 6, 10})
        check(kind, dtype, {3, 5, nil, 10}, {lengths = 'int64'})
      end
    end)

    it('takes no rows', function()
      check(kind, 'float32', {3, 0, 4, 6})
    end)
  end)
end

describe('a recurrent layer on a GPU', function()
  local function run(lengths)
    local p = {x = torch.randn(3, 2, 4):cuda(), w_ih = torch.randn(8, 4):cuda(),
      w_hh = torch.randn(8, 2):cuda()}
    local out = layer('lstm', p, lengths, false)
    torch.cuda.synchronize()
    return out:cpu()
  end

  it('tells of lengths out of range, and works on', function()
    for _, wrong in ipairs {0, 4} do
      local _, message = pcall(run, torch.LongTensor {wrong, 2}:cuda())
      assert.is_truthy(tostring(message):find('lstm_layer_steps', 1, true), message)
    end
    assert.has_error(function() run(torch.FloatTensor {1, 2}:cuda()) end)
    assert.are.equal(12, run(torch.LongTensor {1, 2}:cuda()):nElement())
  end)
end)
