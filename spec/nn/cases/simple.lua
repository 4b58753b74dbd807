-- Torch7's simple layers, the normalizations over a batch, and what came since.
local function make(name, ...)
  local arguments, unpack = {n = select('#', ...), ...}, table.unpack or unpack
  return function() return nn[name](unpack(arguments, 1, arguments.n)) end
end

local function randn(...)
  local sizes = torch.LongStorage{...}
  return function() return torch.randn(sizes) end
end

local function evaluated(name, ...)
  local maker = make(name, ...)
  return function()
    local module = maker()
    module:evaluate()
    return module
  end
end

-- Several inputs as one.
local function all(...)
  local makers = {...}
  return function()
    local input = {}
    for i, maker in ipairs(makers) do input[i] = maker() end
    return input
  end
end

-- Away from 0 and from each other, for kinks.
local function spread(...)
  local sizes = torch.LongStorage{...}
  return function()
    local tensor = torch.Tensor(sizes)
    local count = tensor:nElement()
    tensor:copy(torch.randperm(count):float():add(-count / 2 - 0.25):div(count / 4):view(sizes))
    return tensor
  end
end

local function positive(...)
  local maker = randn(...)
  return function() return torch.abs(maker()) + 0.3 end
end

local function integers(list)
  return function() return torch.LongTensor(list) end
end

-- Rows {feature, value}; the features have no gradient, so that differences must not see them.
local function entries(...)
  local list = {...}
  return function() return torch.Tensor(list) end
end

-- As after a batch: statistics other than those at the beginning.
local function used(name, ...)
  local maker = evaluated(name, ...)
  return function()
    local module = maker()
    module.running_mean:normal(0, 1)
    module.running_var:uniform(0.5, 2)
    return module
  end
end

-- Statistics are moved by each forward in training; the results do not depend on them.
local cases = {
  ['Linear, of images'] = {make('Linear', 4, 3), randn(2, 2, 4), batched = true},
  LinearWeightNorm = {make('LinearWeightNorm', 4, 3), randn(5, 4), single = randn(4),
    batched = true},
  ['LinearWeightNorm, no bias'] = {make('LinearWeightNorm', 4, 3, false), randn(2, 4)},
  Bilinear = {make('Bilinear', 3, 2, 4), all(randn(5, 3), randn(5, 2)),
    single = all(randn(3), randn(2)), batched = true},
  ['Bilinear, no bias'] = {make('Bilinear', 2, 2, 2, false), all(randn(2, 2), randn(2, 2))},
  PartialLinear = {make('PartialLinear', 4, 3), randn(5, 4), single = randn(4), batched = true},
  ['PartialLinear, some outputs'] = {function()
    return nn.PartialLinear(4, 5):setPartition(torch.LongTensor{4, 1})
  end, randn(3, 4), single = randn(4), batched = true},
  SparseLinear = {make('SparseLinear', 6, 3), entries({2, 0.5}, {6, -1}, {2, 2}), discrete = true},
  ['SparseLinear, a batch'] = {make('SparseLinear', 6, 3),
    entries({{2, 0.5}, {6, -1}}, {{1, 2}, {3, 4}}), discrete = true, batched = true},
  ['SparseLinear, a table'] = {make('SparseLinear', 6, 3),
    all(entries({2, 0.5}), entries({6, -1}, {2, 2})), discrete = true},
  IndexLinear = {make('IndexLinear', 6, 3, true), all(integers{2, 6, 1}, randn(3))},
  ['IndexLinear, a batch'] = {make('IndexLinear', 6, 3, true),
    all(all(integers{2}, integers{6, 1}), all(randn(1), randn(2)))},
  ['IndexLinear, one list and sizes'] = {make('IndexLinear', 6, 3, true, 1),
    all(integers{1, 5, 2}, randn(3), integers{1, 2})},
  ['IndexLinear, normalized'] = {function()
    local module = nn.IndexLinear(6, 3, true, 0, nil, nil, true)
    module:forward({torch.LongTensor{1, 2, 6}, torch.Tensor{4, -5, 9}})
    torch.no_grad(function() module.weight:select(2, 3):normal(0, 1) end)
    module:evaluate()
    return module
  end, all(integers{2, 6, 1}, randn(3)), params = false}, -- maxima are no parameters
  LookupTable = {make('LookupTable', 5, 3), integers{{1, 5}, {2, 1}}, single = integers{3, 3},
    batched = true},
  ['LookupTable, by frequency'] = {function() return nn.LookupTable(5, 3):scaleGradByFreq() end,
    integers{1, 5, 2, 1}, params = false}, -- not the gradient of anything
  Embedding = {make('Embedding', 5, 3), integers{{1, 5}, {2, 1}}, batched = true},
  Add = {make('Add', 4), randn(3, 4), single = randn(4), batched = true},
  ['Add, of images'] = {make('Add', 4), randn(3, 2, 2), single = randn(2, 2), batched = true},
  ['Add, one number'] = {make('Add', 1, true), randn(3, 4)},
  AddConstant = {make('AddConstant', 2.5), randn(3, 4), batched = true},
  ['AddConstant, a vector'] = {function() return nn.AddConstant(torch.Tensor{1, 2, 3}) end,
    randn(2, 3)},
  Mul = {make('Mul'), randn(3, 4), batched = true},
  MulConstant = {make('MulConstant', -2.5), randn(3, 4), batched = true},
  CAdd = {make('CAdd', 2, 3), randn(4, 2, 3), single = randn(2, 3), batched = true},
  ['CAdd, repeated'] = {make('CAdd', 1, 3, 1), randn(2, 3, 2)},
  CMul = {make('CMul', 2, 3), randn(4, 2, 3), single = randn(2, 3), batched = true},
  ['CMul, channels'] = {make('CMul', 1, 3, 1, 1), randn(2, 3, 2, 1)},
  ['CMul, flat'] = {make('CMul', 6), randn(4, 2, 3), batched = true},
  Constant = {function() return nn.Constant(torch.Tensor{{1, 2}}, 1) end, randn(3, 2),
    single = randn(2)},
  ['Constant, a number'] = {make('Constant', 2), randn(2)},
  Cosine = {make('Cosine', 4, 3), randn(5, 4), single = randn(4), batched = true},
  Euclidean = {make('Euclidean', 4, 3), randn(5, 4), single = randn(4), batched = true},
  WeightedEuclidean = {make('WeightedEuclidean', 4, 3), randn(5, 4), single = randn(4),
    batched = true},
  ['Identity, a table'] = {make('Identity'), all(randn(2), randn(3))},
  Contiguous = {make('Contiguous'), randn(2, 3), batched = true},
  Copy = {make('Copy'), randn(2, 3), batched = true},
  ['Dropout, as of old'] = {make('Dropout', 0.3, true), randn(5, 4), random = true},
  SpatialDropout = {make('SpatialDropout', 0.5), randn(3, 2, 2, 2), single = randn(3, 2, 2),
    random = true},
  ['SpatialDropout, in use'] = {evaluated('SpatialDropout', 0.5), randn(3, 2, 2, 2),
    single = randn(3, 2, 2), batched = true},
  VolumetricDropout = {make('VolumetricDropout', 0.5), randn(3, 2, 2, 1, 2),
    single = randn(3, 2, 2, 1), random = true},
  WhiteNoise = {make('WhiteNoise'), randn(3, 4), random = true},
  Replicate = {make('Replicate', 3), randn(2, 4), single = randn(2)},
  ['Replicate, in a batch'] = {make('Replicate', 3, 2, 2), randn(2, 2, 2), single = randn(2, 2),
    batched = true},
  Select = {make('Select', 2, -1), randn(3, 4), single = randn(1, 2)},
  ['Select, of a vector'] = {make('Select', 1, 2), randn(3)},
  Narrow = {make('Narrow', 2, 2, 2), randn(3, 4)},
  ['Narrow, from the end'] = {make('Narrow', -1, 2, -2), randn(3, 5), batched = true},
  Index = {make('Index', 2), all(randn(2, 3), integers{3, 1, 3}), discrete = {[2] = true}},
  MaskedSelect = {make('MaskedSelect'), all(randn(2, 3), function()
    return torch.ByteTensor{{1, 0, 1}, {0, 0, 1}}
  end)},
  Squeeze = {make('Squeeze'), randn(2, 1, 3, 1)},
  ['Squeeze, in a batch'] = {make('Squeeze', nil, 2), randn(1, 1, 3), single = randn(1, 3)},
  ['Squeeze, one dimension'] = {make('Squeeze', 1, 2), randn(2, 1, 1), batched = true},
  Unsqueeze = {make('Unsqueeze', 2), randn(2, 3)},
  ['Unsqueeze, in a batch'] = {make('Unsqueeze', 1, 2), randn(2, 2, 3), single = randn(2, 3),
    batched = true},
  Transpose = {make('Transpose', {1, 2}, {2, 3}), randn(2, 3, 4)},
  ['Transpose, in a batch'] = {function()
    return nn.Transpose({1, 2}):setNumInputDims(2)
  end, randn(2, 3, 2), single = randn(3, 2), batched = true},
  Collapse = {make('Collapse', 2), randn(2, 3, 2), single = randn(3, 2), batched = true},
  Padding = {make('Padding', 2, 2), randn(2, 3)},
  ['Padding, in the middle'] = {make('Padding', 1, -2, 1, 0.5, 2), randn(2, 3), single = randn(3),
    batched = true},
  ['Padding, away from the end'] = {make('Padding', 1, 2, 1, 0.5, 3), randn(2, 3), batched = true},
  PixelShuffle = {make('PixelShuffle', 2), randn(2, 4, 1, 2), single = randn(4, 1, 2),
    batched = true},
  OneHot = {make('OneHot', 4), integers{{1, 4, 2}, {3, 3, 1}}, batched = true},
  Max = {make('Max', 2), spread(3, 4), single = spread(4, 2)},
  ['Max, in a batch'] = {make('Max', 1, 2), spread(2, 3, 2), single = spread(3, 2),
    batched = true},
  ['Max, of a vector'] = {make('Max'), spread(5)},
  Min = {make('Min', -1), spread(3, 4)},
  Sum = {make('Sum'), randn(3, 4), single = randn(3)},
  ['Sum, in a batch'] = {make('Sum', 1, 2, true, false), randn(2, 3, 2), single = randn(3, 2),
    batched = true},
  Mean = {make('Mean', 1, 1), randn(3, 4), single = randn(4)},
  Normalize = {make('Normalize', 2), randn(3, 4), single = randn(4), batched = true},
  ['Normalize, order 1'] = {make('Normalize', 1), spread(3, 4), batched = true},
  ['Normalize, order 2.5'] = {make('Normalize', 2.5), spread(3, 4), batched = true},
  ['Normalize, greatest'] = {make('Normalize', math.huge), spread(3, 4), single = spread(4)},
  Kmeans = {make('Kmeans', 2, 3), randn(5, 3), single = randn(3), discrete = true, params = false},
  Abs = {make('Abs'), spread(3, 4), batched = true},
  Exp = {make('Exp'), randn(3, 4), batched = true},
  Log = {make('Log'), positive(3, 4), batched = true},
  Power = {make('Power', 1.7), positive(3, 4), batched = true},
  Square = {make('Square'), randn(3, 4), batched = true},
  Sqrt = {make('Sqrt'), positive(3, 4), batched = true},
  ['Sqrt, moved'] = {make('Sqrt', 0.5), positive(3, 4), batched = true},
  Clamp = {make('Clamp', -0.7, 0.9), spread(3, 4), batched = true},
  BatchNormalization = {make('BatchNormalization', 3), randn(5, 3)},
  ['BatchNormalization, in use'] = {used('BatchNormalization', 3), randn(5, 3), single = randn(3),
    batched = true},
  ['BatchNormalization, not affine'] = {make('BatchNormalization', 3, nil, nil, false),
    randn(5, 3)},
  SpatialBatchNormalization = {make('SpatialBatchNormalization', 2), randn(3, 2, 2, 2)},
  ['SpatialBatchNormalization, in use'] = {used('SpatialBatchNormalization', 2),
    randn(3, 2, 2, 2)},
  VolumetricBatchNormalization = {make('VolumetricBatchNormalization', 2), randn(3, 2, 2, 1, 2)},
  LayerNormalization = {make('LayerNormalization', 4), randn(3, 4), single = randn(4),
    batched = true},
  ['LayerNormalization, not affine'] = {make('LayerNormalization', 4, 0, 1e-5, false),
    randn(3, 4)},
  Maxout = {make('Maxout', 4, 2, 3), randn(3, 4), single = randn(4), batched = true},
  Flatten = {make('Flatten'), randn(2, 3, 2)},
  ['Flatten, some'] = {make('Flatten', 1, 2), randn(2, 3, 2)},
  Unflatten = {make('Unflatten', 2, 3, -1), randn(2, 6)},
  AlphaDropout = {make('AlphaDropout', 0.3), randn(3, 4), random = true},
  ['AlphaDropout, in use'] = {evaluated('AlphaDropout', 0.3), randn(3, 4)},
  DropPath = {make('DropPath', 0.4), randn(5, 2, 2), random = true},
  ['DropPath, in use'] = {evaluated('DropPath', 0.4), randn(5, 2, 2), batched = true},
}

return cases
