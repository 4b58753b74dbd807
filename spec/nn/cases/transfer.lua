-- Functions of each element, and those along the classes.
local function make(name, ...)
  local arguments, unpack = {n = select('#', ...), ...}, table.unpack or unpack
  return function() return nn[name](unpack(arguments, 1, arguments.n)) end
end

local function evaluated(name)
  return function()
    local module = nn[name]()
    module:evaluate()
    return module
  end
end

local function randn(...)
  local sizes = torch.LongStorage{...}
  return function() return torch.randn(sizes) end
end

-- Numbers from -4 to 8 on both sides of the kinks of all these functions, none near to one.
local function spread(...)
  local sizes = torch.LongStorage{...}
  return function()
    local tensor = torch.Tensor(sizes)
    local count = tensor:nElement()
    return tensor:copy(torch.randperm(count):float():mul(12 / count):add(-4.13):view(sizes))
  end
end

local cases = {
  ['PReLU, one slope'] = {make('PReLU'), spread(3, 4)},
  ['PReLU, channels'] = {make('PReLU', 3), spread(2, 3), single = spread(3), batched = true},
  ['PReLU, images'] = {make('PReLU', 3), spread(2, 3, 2, 1), single = spread(3, 2, 1),
    batched = true},
  CReLU = {make('CReLU', 3), spread(2, 3, 2, 1), single = spread(3, 2, 1), batched = true},
  ['CReLU, features'] = {make('CReLU', 1, true), spread(2, 3), single = spread(3), batched = true},
  RReLU = {make('RReLU'), spread(3, 4), random = true},
  ['RReLU, in use'] = {evaluated('RReLU'), spread(3, 4), batched = true},
  ['ELU, other'] = {make('ELU', 0.4), spread(3, 4), batched = true},
  ['LeakyReLU, other'] = {make('LeakyReLU', 0.3), spread(3, 4), batched = true},
  ['HardTanh, other'] = {make('HardTanh', -2, 0.3), spread(3, 4), batched = true},
  ['HardShrink, other'] = {make('HardShrink', 1.3), spread(3, 4), batched = true},
  ['SoftShrink, other'] = {make('SoftShrink', 1.3), spread(3, 4), batched = true},
  ['SoftPlus, steep'] = {make('SoftPlus', 3), spread(3, 4), batched = true},
  ['SoftPlus, cut'] = {make('SoftPlus', 2, 3), spread(3, 4), batched = true},
  Threshold = {make('Threshold', 0.4, -2), spread(3, 4), batched = true},
  ['Threshold, by default'] = {make('Threshold'), spread(3, 4), batched = true},
  ['SoftMax, places'] = {make('SoftMax', -1), randn(2, 3, 2), batched = true},
  ['SoftMax, images'] = {make('SoftMax'), randn(2, 3, 2, 2), single = randn(3, 2, 2),
    batched = true},
  SoftMin = {make('SoftMin'), randn(2, 3), single = randn(3), batched = true},
  SpatialSoftMax = {make('SpatialSoftMax'), randn(2, 3, 2, 2), single = randn(3, 2, 2),
    batched = true},
  SpatialLogSoftMax = {make('SpatialLogSoftMax'), randn(2, 3, 2, 2), single = randn(3, 2, 2),
    batched = true},
  ['GELU, by tanh'] = {make('GELU', 'tanh'), spread(3, 4), batched = true},
  ['CELU, other'] = {make('CELU', 0.4), spread(3, 4), batched = true},
  ['GatedLinearUnit, channels'] = {make('GatedLinearUnit', 2), randn(2, 4, 3)},
}

for _, name in ipairs {'TanhShrink', 'ReLU6', 'LeakyReLU', 'ELU', 'HardTanh', 'HardShrink',
  'SoftShrink', 'SoftPlus', 'SoftSign', 'LogSigmoid', 'GELU', 'SiLU', 'Swish', 'Mish', 'Hardswish',
  'Hardsigmoid', 'SELU', 'CELU'} do
  cases[name] = {make(name), spread(4, 4), batched = true}
end

for _, name in ipairs {'GatedLinearUnit', 'GLU', 'SwiGLU', 'GEGLU'} do
  cases[name] = {make(name), randn(3, 4), single = randn(2), batched = true}
end

return cases
