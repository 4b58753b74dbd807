-- Normalisations with PyTorch's names.
local nn = require 'nn'

local function randn(...)
  local sizes = torch.LongStorage{...}
  return function() return torch.randn(sizes) end
end

-- Weights and biases that are not 1 and 0.
local function drawn(module)
  for _, tensor in ipairs((module:parameters())) do
    torch.no_grad(tensor.uniform, tensor, 0.5, 1.5)
  end
  return module
end

local function evaluated(module)
  module:evaluate()
  if module.running_mean then
    module.running_mean:uniform(-1, 1)
    module.running_var:uniform(0.5, 2)
  end
  return module
end

-- The directions of the singular value as at the beginning.
local function directed(module)
  module.u:fill(0.5)
  module.v:fill(0.5)
end

return {
  ['LayerNorm'] = {function() return drawn(nn.LayerNorm(4)) end, randn(3, 4), single = randn(4),
    batched = true},
  ['LayerNorm, of two dimensions'] = {function() return nn.LayerNorm({2, 3}, 0.1) end,
    randn(2, 2, 3), single = randn(2, 3), batched = true},
  ['LayerNorm, without bias'] = {function() return drawn(nn.LayerNorm(3, nil, true, false)) end,
    randn(2, 2, 3)},
  ['LayerNorm, plain'] = {function() return nn.LayerNorm(3, 1e-3, false) end, randn(2, 3)},
  ['RMSNorm'] = {function() return drawn(nn.RMSNorm(4)) end, randn(3, 4), single = randn(4),
    batched = true},
  ['RMSNorm, plain'] = {function() return nn.RMSNorm({2, 2}, 0.1, false) end, randn(2, 2, 2)},
  ['GroupNorm'] = {function() return drawn(nn.GroupNorm(2, 4)) end, randn(2, 4, 3)},
  ['GroupNorm, of vectors'] = {function() return drawn(nn.GroupNorm(2, 4)) end, randn(3, 4)},
  ['GroupNorm, plain'] = {function() return nn.GroupNorm(1, 2, 0.1, false) end, randn(2, 2, 2, 2)},
  ['BatchNorm1d'] = {function() return drawn(nn.BatchNorm1d(3)) end, randn(4, 3)},
  ['BatchNorm1d, of sequences'] = {function() return nn.BatchNorm1d(2, 0.1, 0.2, false) end,
    randn(2, 2, 3)},
  ['BatchNorm1d, without statistics'] = {
    function() return evaluated(nn.BatchNorm1d(2, nil, nil, true, false)) end, randn(3, 2)},
  ['BatchNorm2d'] = {function() return drawn(nn.BatchNorm2d(2)) end, randn(2, 2, 2, 3)},
  ['BatchNorm2d, in use'] = {function() return evaluated(drawn(nn.BatchNorm2d(2))) end,
    randn(2, 2, 2, 2)},
  ['BatchNorm3d'] = {function() return drawn(nn.BatchNorm3d(2, 1e-5, false)) end,
    randn(2, 2, 1, 2, 2)},
  ['BatchNorm'] = {function() return evaluated(drawn(nn.BatchNorm(3))) end, randn(3, 3)},
  ['InstanceNorm1d'] = {function() return nn.InstanceNorm1d(2) end, randn(2, 2, 3),
    single = randn(2, 3), batched = true},
  ['InstanceNorm2d'] = {function() return drawn(nn.InstanceNorm2d(2, nil, nil, true, true)) end,
    randn(2, 2, 2, 2), single = randn(2, 2, 2)},
  ['InstanceNorm2d, in use'] = {
    function() return evaluated(drawn(nn.InstanceNorm2d(2, nil, nil, true, true))) end,
    randn(2, 2, 2, 2), batched = true},
  ['InstanceNorm3d'] = {function() return drawn(nn.InstanceNorm3d(2, nil, nil, true)) end,
    randn(2, 2, 1, 2, 2), batched = true},
  ['InstanceNorm'] = {function() return nn.InstanceNorm(2) end, randn(2, 2, 3)},
  ['SpectralNorm'] = {function() return evaluated(nn.SpectralNorm(nn.Linear(4, 3))) end,
    randn(2, 4), single = randn(4), batched = true},
  ['SpectralNorm, in training'] = {function() return nn.SpectralNorm(nn.Linear(4, 3)) end,
    randn(2, 4), before = directed, params = false}, -- differences would move the directions, too
}
