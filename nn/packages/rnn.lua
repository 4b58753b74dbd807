--- Recurrent networks under Torch7's name. The classes belong to nn and load by themselves; here
-- are the helpers nn.rnn.*, and the methods that each module gets: forget, remember, maxBPTTstep.
local torch = require 'torch'
local nn = require 'nn'
require 'dpnn'
require 'nn.recurrent.methods'

local rnn = {version = 2}

for name, fn in pairs(require 'nn.recurrent.recursive') do rnn[name] = fn end

--- rnn.test([name, pattern or list of these]): an error when something does not work; bigtest is
-- the same with longer sequences.
function rnn.test(names) require('nn.recurrent.selftest').test(names) end
function rnn.bigtest(names) require('nn.recurrent.selftest').bigtest(names) end

-- rnn's nn.Dropout(p, v1, inplace, lazy, mono): see nn/layers/Dropout.lua.
local Dropout = nn.Dropout and torch.getmetatable('nn.Dropout')
local init = Dropout.__init

function Dropout:__init(p, v1, inplace, lazy, mono)
  init(self, p, v1, inplace)
  self.lazy, self.mono, self.flag = lazy or false, mono or false, true
end

nn.rnn = rnn

return rnn
