--- rnn.test and rnn.bigtest: quick checks, by finite differences, that recurrent modules work on
-- this machine.
local torch = require 'torch'
local nn = require 'nn'
local check_layer = require 'nn.check_layer'

local LAYERS = {
  {'LSTM', function(size) return nn.Sequencer(nn.LSTM(size, size)) end},
  {'FastLSTM', function(size) return nn.Sequencer(nn.FastLSTM(size, size)) end},
  {'GRU', function(size) return nn.Sequencer(nn.GRU(size, size)) end},
  {'Recurrence', function(size)
    local step = nn.Sequential():add(nn.JoinTable(1, 1)):add(nn.Linear(2 * size, size))
    return nn.Sequencer(nn.Recurrence(step:add(nn.Tanh()), size, 1))
  end},
  {'BiSequencer', function(size) return nn.BiSequencer(nn.FastLSTM(size, size)) end},
  {'SeqLSTM', function(size) return nn.SeqLSTM(size, size) end},
  {'SeqGRU', function(size) return nn.SeqGRU(size, size) end},
  {'StackedLSTM', function(size) return nn.StackedLSTM(size, size, {layers = 2}) end},
}

-- Sequences of `steps` steps, a batch of 2.
local function test_of(steps, size)
  return function(names)
    local tester, tests = torch.Tester(), torch.TestSuite()
    for _, layer in ipairs(LAYERS) do
      tests[layer[1]] = function()
        check_layer(tester, layer[2](size), torch.DoubleTensor(steps, 2, size):normal())
      end
    end
    tester:add(tests)
    tester:run(names)
  end
end

return {test = test_of(3, 2), bigtest = test_of(6, 5)}
