--- nn.SeqLSTM with its output projected: nn.SeqLSTMP(inputsize, hiddensize, outputsize).
local torch = require 'torch'
local SeqLSTM = require 'nn'.SeqLSTM

local SeqLSTMP = torch.class('nn.SeqLSTMP', 'nn.SeqLSTM')

function SeqLSTMP:__init(inputsize, hiddensize, outputsize)
  if outputsize == nil then
    error('nn.SeqLSTMP: inputsize, hiddensize and outputsize expected', 2)
  end
  SeqLSTM.__init(self, inputsize, hiddensize, outputsize)
end
