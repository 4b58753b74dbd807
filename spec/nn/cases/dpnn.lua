-- The classes of dpnn. Those that learn from rewards are checked in spec/nn/dpnn_spec.lua.
local torch, nn = require 'torch', require 'nn'

local function probabilities()
  return torch.softmax(torch.randn(4, 3), 2)
end

local tree = {[-1] = {1, 2, 10}, [10] = {3, 4, 11}, [11] = {5, 6}}
local other = {[-1] = {1, 12}, [12] = {2, 3, 4, 5, 6}}

local function with_classes()
  return {torch.randn(4, 5), torch.LongTensor{1, 5, 3, 6}}
end

local function used(module)
  module:evaluate()
  return module
end

local function images() return torch.randn(2, 3, 5, 6) end

local function signs(...) return torch.sign(torch.randn(...)) end

return {
  ['Serial'] = {function() return nn.Serial(nn.Linear(4, 3)) end,
    function() return torch.randn(2, 4) end, batched = true},
  ['ReverseTable'] = {function() return nn.ReverseTable() end,
    function() return {torch.randn(2), torch.randn(3), torch.randn(1)} end},
  ['Dictionary'] = {function() return nn.Dictionary(4, 3) end,
    function() return torch.LongTensor{{1, 4}, {2, 2}} end, discrete = true},
  ['Clip'] = {function() return nn.Clip(-0.5, 0.7) end,
    function() return torch.Tensor{-2, -0.3, 0.1, 0.6, 0.9} end},
  ['ArgMax'] = {function() return nn.ArgMax(2, 2, false) end,
    function() return torch.randn(3, 4) end, discrete = true},
  ['TotalDropout'] = {function() return nn.TotalDropout(0.5) end,
    function() return torch.randn(3, 4) end, random = true},
  ['SpatialUniformCrop'] = {function() return nn.SpatialUniformCrop(3, 4) end, images,
    random = true, single = function() return torch.randn(2, 4, 4) end},
  ['SpatialUniformCrop, in use'] = {function() return used(nn.SpatialUniformCrop(3)) end, images,
    batched = true},
  ['SpatialUniformCrop, scaled'] = {function()
    return nn.SpatialUniformCrop(3, 3, {0.8, 1.2})
  end, images, random = true},
  ['SpatialGlimpse'] = {function() return nn.SpatialGlimpse(2, 2, 2) end,
    function() return {images(), torch.Tensor{{0, 0.3}, {-1, 1}}} end, discrete = {[2] = true},
    single = function() return {torch.randn(2, 4, 4), torch.Tensor{0.2, -0.4}} end,
    batched = true},
  ['SpatialRegionDropout'] = {function() return nn.SpatialRegionDropout(0.4) end, images,
    random = true, single = function() return torch.randn(2, 4, 4) end},
  ['SpatialRegionDropout, in use'] = {function() return used(nn.SpatialRegionDropout(0.4)) end,
    images, batched = true},
  ['SpatialFeatNormalization'] = {function()
    return nn.SpatialFeatNormalization({0.1, 0.2, -0.3}, {0.5, 2, 1})
  end, images, batched = true, single = function() return torch.randn(3, 2, 2) end},
  ['SimpleColorTransform'] = {function() return nn.SimpleColorTransform(3, 0.4) end, images,
    random = true, single = function() return torch.randn(3, 2, 2) end},
  ['PCAColorTransform'] = {function()
    return nn.PCAColorTransform(3, torch.eye(3), torch.Tensor{3, 2, 1}, 0.2)
  end, images, random = true, single = function() return torch.randn(3, 2, 2) end},
  ['SpatialBinaryConvolution'] = {function()
    return nn.SpatialBinaryConvolution(3, 2, 2, 2, 1, 2, 1)
  end, function() return torch.randn(2, 3, 3, 3) end, batched = true,
    single = function() return torch.randn(3, 3, 3) end,
    params = false}, -- their gradient is not that of the signs, which is 0
  ['FireModule'] = {function() return nn.FireModule(3, 2, 2, 1, 'Tanh') end,
    function() return torch.randn(2, 3, 2, 3) end, batched = true,
    single = function() return torch.randn(3, 2, 2) end},
  ['Inception'] = {function()
    return nn.Inception{inputSize = 2, outputSize = {2, 1}, reduceSize = {1, 2, 1, 1},
      transfer = nn.Tanh()}
  end, function() return torch.randn(2, 2, 3, 3) end, batched = true,
    single = function() return torch.randn(2, 2, 2) end},
  ['SoftMaxTree'] = {function() return nn.SoftMaxTree(5, tree) end, with_classes},
  ['SoftMaxForest'] = {function() return nn.SoftMaxForest(5, {tree, other}, nil, {3}) end,
    with_classes},
  ['TreeNLLCriterion'] = {function() return nn.TreeNLLCriterion() end,
    function() return torch.randn(4) end, function() return torch.LongTensor{1, 2, 3, 4} end},
  ['NCEModule'] = {function()
    return nn.NCEModule(5, 6, 3, torch.Tensor{1, 2, 3, 1, 1, 2}, 6)
  end, with_classes, random = true},
  ['NCEModule, in use'] = {function() return used(nn.NCEModule(5, 6, 3)) end, with_classes},
  ['NCECriterion'] = {function() return nn.NCECriterion() end, function()
    return {torch.rand(4):add(0.1), torch.rand(4, 3):add(0.1), torch.rand(4):add(0.1),
      torch.rand(4, 3):add(0.1)}
  end, function() return torch.LongTensor{1, 2, 3, 1} end, discrete = {[3] = true, [4] = true}},
  ['BinaryLogisticRegression'] = {function() return nn.BinaryLogisticRegression() end,
    function() return torch.randn(4, 1) end, function() return signs(4) end},
  ['BinaryLogisticRegression, summed'] = {function()
    return nn.BinaryLogisticRegression(false)
  end, function() return torch.randn(4) end, function() return signs(4, 1) end},
  ['SpatialBinaryLogisticRegression'] = {function()
    return nn.SpatialBinaryLogisticRegression()
  end, function() return torch.randn(2, 1, 2, 3) end, function() return signs(2, 1, 2, 3) end},
  ['ModuleFromCriterion'] = {function() return nn.ModuleFromCriterion(nn.MSECriterion()) end,
    function() return {torch.randn(4, 1), torch.randn(4, 1)} end, discrete = {[2] = true}},
  ['ReinforceNormal, in use'] = {function() return used(nn.ReinforceNormal(0.3)) end, images},
  ['ReinforceBernoulli, in use'] = {function() return used(nn.ReinforceBernoulli()) end,
    probabilities},
  ['ReinforceCategorical, in use'] = {function() return used(nn.ReinforceCategorical()) end,
    probabilities},
  ['ReinforceGamma, in use'] = {function() return used(nn.ReinforceGamma(2)) end, probabilities},
}
