--- Recurrent networks under Torch7's name. The classes belong to nn and load by themselves; here
-- are the helpers nn.rnn.*, and the methods that each module gets: forget, remember, maxBPTTstep.
local nn = require 'nn'
require 'dpnn'
require 'nn.recurrent.methods'

local rnn = {version = 2}

for name, fn in pairs(require 'nn.recurrent.recursive') do rnn[name] = fn end

nn.rnn = rnn

return rnn
