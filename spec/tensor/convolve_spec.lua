-- Convolutions large enough for the library, in float32 and bfloat16, against those of float64,
-- which it never does.
local torch = require 'torch'

-- Input, kernel, and the arguments behind the bias.
local cases = {
  ['a batch with a rest'] = {{5, 16, 24, 20}, {24, 16, 3, 3}, 1, 1},
  ['one image, cut by its outputs'] = {{1, 16, 40, 40}, {64, 16, 3, 3}, 1, 1, rounds = 4},
  ['one channel'] = {{16, 1, 28, 28}, {32, 1, 5, 5}},
  ['three channels'] = {{9, 3, 32, 32}, {20, 3, 3, 3}, {2, 1}, 1},
  ['odd channels'] = {{6, 19, 15, 17}, {21, 19, 3, 5}, 1, {1, 2}},
  ['gaps and steps'] = {{4, 16, 33, 30}, {16, 16, 3, 3}, {2, 1}, {0, 2}, {1, 2}},
  ['groups'] = {{6, 24, 20, 20}, {32, 12, 3, 3}, 1, 1, 1, 2},
  ['channels apart'] = {{6, 32, 40, 40}, {32, 1, 3, 3}, 1, 1, 1, 32},
  ['one dimension'] = {{6, 32, 200}, {32, 32, 5}, 1, 2},
  ['three dimensions'] = {{2, 8, 9, 12, 11}, {16, 8, 3, 2, 3}, 1, {1, 0, 1}},
  ['a kernel larger than its images'] = {{8, 128, 4, 4}, {256, 128, 3, 3}, 1, 1, rounds = 4},
  ['such a kernel, and a bias'] = {{7, 96, 5, 3}, {160, 96, 3, 3}, {2, 1}, 1},
  ['points'] = {{4, 64, 16, 16}, {96, 64, 1, 1}},
  -- By Winograd's way, which rounds more often.
  ['large images'] = {{5, 32, 35, 38}, {48, 32, 3, 3}, 1, 1, rounds = 4},
  ['one large image'] = {{1, 64, 31, 28}, {64, 64, 3, 3}, 1, 1, rounds = 4},
  ['large images with little padding'] = {{6, 64, 30, 33}, {32, 64, 3, 3}, 1, {0, 1}, rounds = 4},
  ['large images with much padding'] = {{3, 32, 29, 26}, {64, 32, 3, 3}, 1, {2, 1}, rounds = 4},
  ['many small images'] = {{19, 64, 8, 7}, {48, 64, 3, 3}, 1, 1, rounds = 4},
  ['many channels'] = {{3, 144, 12, 8}, {160, 144, 3, 3}, 1, 1, rounds = 4},
  ['very many channels'] = {{3, 176, 8, 8}, {192, 176, 3, 3}, 1, 1, rounds = 4},
  ['flat images'] = {{20, 32, 3, 50}, {32, 32, 3, 3}, 1, 1, rounds = 4},
}
local CONVOLVE = {torch.conv1d, torch.conv2d, torch.conv3d}

local unpack = table.unpack or unpack

-- The result and the gradients of input, kernel and bias, of sum(result * weights).
local function evaluate(case, dtype, x, w, b, weights)
  local leaves = {}
  for i, t in ipairs {x, w, b} do
    leaves[i] = t:clone():to(dtype)
    leaves[i].requires_grad = true
  end
  local y = CONVOLVE[#case[1] - 2](leaves[1], leaves[2], leaves[3], unpack(case, 3))
  y:backward(weights and weights:to(dtype) or torch.ones_like(y:detach()))
  return {y:detach(), leaves[1].grad, leaves[2].grad, leaves[3].grad}
end

local function assert_near(expected, got, tolerance, what)
  local scale = torch.abs(expected):max()
  local difference = torch.abs(got:double() - expected):max()
  assert.is_true(difference <= tolerance * scale, ('%s: off by %g of %g'):format(what, difference,
    scale))
end

describe('convolutions by the library', function()
  local threads = torch.getnumthreads()
  after_each(function() torch.setnumthreads(threads) end)

  for name, case in pairs(cases) do
    for dtype, tolerance in pairs {float32 = 2e-6, bfloat16 = 1e-2} do
      it(('are right for %s of %s'):format(name, dtype), function()
        torch.manualSeed(7)
        -- Numbers that bfloat16 holds.
        local x = torch.randn(torch.LongStorage(case[1])):to('bfloat16'):double()
        local w = torch.randn(torch.LongStorage(case[2])):to('bfloat16'):double()
        local b = torch.randn(case[2][1]):to('bfloat16'):double()
        local y = evaluate(case, 'float64', x, w, b)[1]
        local weights = torch.randn_like(y):to('bfloat16'):double()
        local expected = evaluate(case, 'float64', x, w, b, weights)
        for _, n in ipairs {1, 3} do
          torch.setnumthreads(n)
          local got = evaluate(case, dtype, x, w, b, weights)
          for i, what in ipairs {'result', 'input', 'kernel', 'bias'} do
            assert.equal(dtype, got[i].dtype)
            assert_near(expected[i], got[i], tolerance * (case.rounds or 1), what)
          end
        end
      end)
    end
  end

  it('are right after more shapes than are kept', function()
    local w = torch.randn(16, 16, 3, 3)
    local first
    for round = 1, 2 do
      for width = 16, 120 do
        torch.manualSeed(width)
        local x = torch.randn(1, 16, 40, width)
        local y = torch.conv2d(x, w)
        if width == 20 then
          first = first or y
          assert.equal(0, torch.abs(first - y):max(), round)
        end
      end
    end
  end)
end)
