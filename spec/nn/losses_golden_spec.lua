-- The criterions against PyTorch's values and gradients, which spec/golden/nn_losses.py wrote.
local golden = require 'spec.support.golden'
local torch, nn = require 'torch', require 'nn'

local globals = {nn = nn, cross_entropy = nn.CrossEntropyCriterion,
  w = torch.DoubleTensor{1, 2, 0.5, 3}}
local INPUTS = {float64 = {globals = globals, tolerance = 1e-8},
  float32 = {globals = globals, tolerance = 1e-5, narrow = true}}

for dtype, options in pairs(INPUTS) do
  describe('PyTorch agrees in ' .. dtype .. ':', function()
    for k, case in ipairs(dofile('spec/golden/nn_losses.lua')) do
      it(('%s (%d)'):format(case[1], k), function() golden.check(case, options) end)
    end
  end)
end
