-- Containers and table modules against PyTorch's values and gradients: spec/golden/nn_tables.py.
local golden = require 'spec.support.golden'
local nn = require 'nn'

-- nn.Linear with these parameters.
local function linear(w, b)
  local module = nn.Linear(w:size(2), w:size(1), b ~= nil):type(w:type())
  module.weight, module.bias = w, b
  return module
end

-- A WeightNorm of a layer without bias, with these parts.
local function normed(v, g, dim)
  local module = nn.WeightNorm(linear(v:detach()), dim):type(v:type())
  module.v, module.g = v, g
  return module
end

local globals = {nn = nn, linear = linear, normed = normed, unpack = table.unpack or unpack}
local WAYS = {float64 = {globals = globals, tolerance = 1e-8},
  float32 = {globals = globals, tolerance = 1e-5, narrow = true}}

for dtype, options in pairs(WAYS) do
  describe('PyTorch agrees in ' .. dtype .. ':', function()
    for k, case in ipairs(dofile('spec/golden/nn_tables.lua')) do
      it(('%s (%d)'):format(case[1], k), function() golden.check(case, options) end)
    end
  end)
end
