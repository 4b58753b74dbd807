-- The losses. A criterion has one number for a batch, so that `batched` says nothing here.
local unpack = table.unpack or unpack

local function make(name, ...)
  local arguments = {n = select('#', ...), ...}
  return function() return nn[name](unpack(arguments, 1, arguments.n)) end
end

local function summed(name, ...)
  local maker = make(name, ...)
  return function()
    local criterion = maker()
    criterion.sizeAverage = false
    return criterion
  end
end

local function randn(...)
  local sizes = torch.LongStorage{...}
  return function() return torch.randn(sizes) end
end

local function several(n, ...)
  local one = randn(...)
  return function()
    local list = {}
    for i = 1, n do list[i] = one() end
    return list
  end
end

local function value(x) return function() return x end end
local function floats(x) return function() return torch.Tensor(x) end end
local function bytes(x) return function() return torch.ByteTensor(x) end end
local function longs(x) return function() return torch.LongTensor(x) end end

local function probabilities(...)
  local draw = randn(...)
  return function() return nn.SoftMax():double():forward(draw():double()):clone() end
end

local function log_probabilities(...)
  local draw = randn(...)
  return function() return nn.LogSoftMax():double():forward(draw():double()):clone() end
end

local function positive(...)
  local sizes = torch.LongStorage{...}
  return function() return torch.rand(sizes) + 0.3 end
end

local function weighted(name, ...)
  local rest, values = {...}, {1, 2, 0.5}
  return function() return nn[name](torch.Tensor(values), unpack(rest)) end
end

local SIGNS = {1, -1, -1, 1}
local cases = {}

-- Differences.
for _, name in ipairs {'MSE', 'Abs', 'SmoothL1'} do
  local class = name .. 'Criterion'
  cases[class] = {make(class), randn(4, 3), randn(4, 3), single = randn(12)}
  cases[class .. ', summed'] = {make(class, false), randn(4, 3), randn(4, 3)}
  cases[class .. ', bytes'] = {summed(class), randn(2, 3), bytes {{1, 0, 2}, {0, 3, 1}}}
end
cases.HuberCriterion = {make('HuberCriterion', {delta = 0.5}), randn(4, 3), randn(4, 3)}
cases.SpatialAutoCropMSECriterion = {make('SpatialAutoCropMSECriterion'), randn(2, 1, 2, 3),
  randn(2, 1, 5, 4)}
cases['SpatialAutoCropMSECriterion, one image'] = {make('SpatialAutoCropMSECriterion', false),
  randn(2, 2, 2), randn(2, 2, 3)}
cases.WeightedMSECriterion = {weighted('WeightedMSECriterion'), randn(4, 3), randn(4, 3)}
cases['WeightedMSECriterion, one row'] = {weighted('WeightedMSECriterion'), randn(3), randn(3)}
cases.L1Cost = {make('L1Cost'), randn(4, 3), single = randn(3)}

-- Classes.
for _, name in ipairs {'ClassNLLCriterion', 'CrossEntropyCriterion'} do
  local input, image = log_probabilities(4, 3), randn(2, 3, 2, 1)
  cases[name .. ', floats'] = {make(name), input, floats {1, 3, 2, 2}}
  cases[name .. ', one row'] = {weighted(name), log_probabilities(3), value(3)}
  cases[name .. ', a tensor for one row'] = {make(name), log_probabilities(3), longs {3}}
  cases[name .. ', ignored'] = {weighted(name, true, 2), input, longs {1, 3, 2, 2}}
  cases[name .. ', all ignored'] = {make(name, nil, true, 2), input, longs {2, 2, 2, 2}}
  cases[name .. ', images'] = {weighted(name), image, longs {{{1}, {3}}, {{2}, {-100}}}}
end
cases['CrossEntropyCriterion, ignored'] = {function()
  return nn.CrossEntropyCriterion(torch.Tensor{1, 2, 0.5}, true, {ignoreIndex = 2})
end, randn(4, 3), longs {1, 3, 2, 2}}
cases['CrossEntropyCriterion, all ignored'] = {make('CrossEntropyCriterion', {ignoreIndex = 2}),
  randn(4, 3), longs {2, 2, 2, 2}}
for what, options in pairs {mean = {}, sum = {reduction = 'sum'}} do
  options.label_smoothing = 0.2
  cases['CrossEntropyCriterion, smoothed, ' .. what] = {
    weighted('CrossEntropyCriterion', options), randn(4, 3), longs {1, 3, -100, 2}}
  cases['CrossEntropyCriterion, probabilities, ' .. what] = {
    weighted('CrossEntropyCriterion', options), randn(4, 3), probabilities(4, 3), single = nil}
end
cases['CrossEntropyCriterion, a smoothed row'] = {make('CrossEntropyCriterion',
  {label_smoothing = 0.1}), randn(3), value(2)}
cases['CrossEntropyCriterion, probabilities of one row'] = {make('CrossEntropyCriterion'), randn(3),
  probabilities(3)}
cases['CrossEntropyCriterion, probabilities of images'] = {make('CrossEntropyCriterion'),
  randn(2, 3, 2), probabilities(2, 3, 2)}
cases.SpatialClassNLLCriterion = {weighted('SpatialClassNLLCriterion'), randn(2, 3, 2, 2),
  longs {{{1, 3}, {2, 2}}, {{3, 3}, {1, 2}}}}
cases['SpatialClassNLLCriterion, one image'] = {make('SpatialClassNLLCriterion', nil, false),
  randn(3, 1, 2), longs {{1, 3}}}
cases.ClassSimplexCriterion = {make('ClassSimplexCriterion', 4), randn(3, 4), longs {4, 1, 2}}
cases['ClassSimplexCriterion, one row'] = {make('ClassSimplexCriterion', 3), randn(3), value(2)}
cases.MultiMarginCriterion = {make('MultiMarginCriterion'), randn(4, 3), longs {1, 3, 2, 2}}
cases['MultiMarginCriterion, squares'] = {function()
  return nn.MultiMarginCriterion(2, torch.Tensor{1, 2, 0.5}, 0.7)
end, randn(4, 3), floats {1, 3, 2, 2}}
cases['MultiMarginCriterion, one row'] = {summed('MultiMarginCriterion'), randn(3), value(2)}
cases.MultiLabelMarginCriterion = {make('MultiLabelMarginCriterion'), randn(4, 3),
  longs {{2, 1, 0}, {3, 0, 1}, {0, 2, 2}, {1, 2, 3}}}
cases['MultiLabelMarginCriterion, one row'] = {make('MultiLabelMarginCriterion', false), randn(3),
  floats {3, 3, 0}}
cases.FocalCriterion = {make('FocalCriterion'), randn(4, 3),
  floats {{1, 0, 0}, {0, 1, 1}, {0, 0, 0}, {1, 1, 0}}}
cases['FocalCriterion, classes'] = {function()
  return nn.FocalCriterion{gamma = 1.5, alpha = torch.Tensor{1, 2, 0.5}}
end, randn(4, 3), longs {1, 3, 2, 2}}

-- Two classes.
local YES_NO = {{1, 0, 0}, {0, 1, 1}, {0, 0, 0}, {1, 1, 0}}
cases.BCECriterion = {make('BCECriterion'), probabilities(4, 3), bytes(YES_NO)}
cases['BCECriterion, weighted sum'] = {weighted('BCECriterion', false), probabilities(4, 3),
  floats(YES_NO)}
cases['BCECriterion, one row'] = {weighted('BCECriterion'), probabilities(3), probabilities(3)}
cases.BCEWithLogitsCriterion = {make('BCEWithLogitsCriterion'), randn(4, 3), bytes(YES_NO)}
cases['BCEWithLogitsCriterion, weighted'] = {function()
  return nn.BCEWithLogitsCriterion{weights = torch.Tensor{1, 2, 0.5},
    pos_weight = torch.Tensor{3, 1, 2}}
end, randn(4, 3), floats(YES_NO)}
cases.MultiLabelSoftMarginCriterion = {make('MultiLabelSoftMarginCriterion'), randn(4, 3),
  bytes(YES_NO)}
cases['MultiLabelSoftMarginCriterion, weighted sum'] = {
  weighted('MultiLabelSoftMarginCriterion', false), randn(4, 3), longs(YES_NO)}
for _, name in ipairs {'Margin', 'SoftMargin'} do
  local class = name .. 'Criterion'
  cases[class] = {make(class), randn(4), floats(SIGNS)}
  cases[class .. ', summed'] = {summed(class), randn(3), value(-1)}
end
cases.DiceCriterion = {make('DiceCriterion'), probabilities(4, 3), bytes(YES_NO)}

-- Distributions.
cases.DistKLDivCriterion = {make('DistKLDivCriterion'), log_probabilities(4, 3),
  floats {{0.2, 0.8, 0}, {1, 0, 0}, {0.3, 0.3, 0.4}, {0, 0.5, 0.5}}}
cases['DistKLDivCriterion, summed'] = {make('DistKLDivCriterion', false), log_probabilities(3),
  probabilities(3)}
cases.KLDivCriterion = {make('KLDivCriterion', {log_target = true, reduction = 'batchmean'}),
  log_probabilities(4, 3), log_probabilities(4, 3)}
cases.PoissonNLLCriterion = {make('PoissonNLLCriterion', {full = true}), randn(2, 3),
  longs {{0, 1, 2}, {5, 3, 1}}}
cases['PoissonNLLCriterion, means'] = {make('PoissonNLLCriterion', {log_input = false}),
  positive(2, 3), longs {{0, 1, 2}, {5, 3, 1}}}
cases.GaussianNLLCriterion = {make('GaussianNLLCriterion', {full = true}), function()
  return {torch.randn(2, 3), torch.rand(2, 3) + 0.3}
end, randn(2, 3)}
cases['GaussianNLLCriterion, one variance a row'] = {make('GaussianNLLCriterion'), function()
  return {torch.randn(2, 3), torch.rand(2) + 0.3}
end, randn(2, 3)}

-- Pairs and triplets.
cases.HingeEmbeddingCriterion = {make('HingeEmbeddingCriterion'), positive(4), floats(SIGNS)}
cases['HingeEmbeddingCriterion, a number'] = {summed('HingeEmbeddingCriterion', 2), positive(1),
  value(-1)}
cases.L1HingeEmbeddingCriterion = {make('L1HingeEmbeddingCriterion', 9), several(2, 3), value(-1)}
cases['L1HingeEmbeddingCriterion, alike'] = {make('L1HingeEmbeddingCriterion'), several(2, 2, 3),
  value(1)}
cases['L1HingeEmbeddingCriterion, rows'] = {make('L1HingeEmbeddingCriterion', 4), several(2, 4, 3),
  floats(SIGNS)}
cases.CosineEmbeddingCriterion = {make('CosineEmbeddingCriterion', -0.5), several(2, 4, 3),
  longs(SIGNS)}
cases['CosineEmbeddingCriterion, one pair'] = {summed('CosineEmbeddingCriterion'), several(2, 3),
  value(1)}
cases.MarginRankingCriterion = {make('MarginRankingCriterion'), several(2, 4), floats(SIGNS)}
cases['MarginRankingCriterion, a number'] = {make('MarginRankingCriterion', 5), several(2, 1),
  value(1)}
cases['MarginRankingCriterion, columns'] = {summed('MarginRankingCriterion', 0.3),
  several(2, 4, 1), longs(SIGNS)}
cases.DistanceRatioCriterion = {make('DistanceRatioCriterion'), several(2, 4)}
cases['DistanceRatioCriterion, summed'] = {make('DistanceRatioCriterion', false), several(2, 4)}
cases.TripletMarginCriterion = {make('TripletMarginCriterion', {margin = 2}), several(3, 4, 3),
  single = several(3, 3)}
cases['TripletMarginCriterion, swapped'] = {make('TripletMarginCriterion', {margin = 2, p = 3,
  swap = true}), several(3, 4, 3)}
cases.NTXentCriterion = {make('NTXentCriterion', {temperature = 0.3}), several(2, 3, 2)}

-- Sequences.
cases.CTCCriterion = {make('CTCCriterion'), randn(5, 2, 3), value({{1, 2}, {2, 2}})}
cases['CTCCriterion, mean'] = {make('CTCCriterion', {reduction = 'mean', blank = 2,
  batchFirst = true}), randn(2, 5, 3), value({{1, 0}, {0}})}
cases['CTCCriterion, one sample'] = {make('CTCCriterion'), randn(4, 3), value({1, 1})}

-- Criterions of criterions.
cases.MultiCriterion = {function()
  return nn.MultiCriterion():add(nn.MSECriterion(), 0.5):add(nn.AbsCriterion())
end, randn(4, 3), randn(4, 3)}
cases['MultiCriterion, tables'] = {function()
  local each = nn.ParallelCriterion():add(nn.MSECriterion(), 0.5)
    :add(nn.ParallelCriterion():add(nn.ClassNLLCriterion()):add(nn.AbsCriterion(false), 2))
  return nn.MultiCriterion():add(each):add(each:clone(), 0.1)
end, function() return {torch.randn(2), {torch.randn(2, 3), torch.randn(4)}} end,
  function() return {torch.randn(2), {torch.LongTensor{3, 1}, torch.randn(4)}} end}
cases.ParallelCriterion = {function()
  return nn.ParallelCriterion():add(nn.ClassNLLCriterion()):add(nn.MSECriterion(), 2)
end, function() return {torch.randn(2, 3), torch.randn(4)} end,
  function() return {torch.LongTensor{3, 1}, torch.randn(4)} end}
cases['ParallelCriterion, repeated'] = {function()
  return nn.ParallelCriterion(true):add(nn.MSECriterion()):add(nn.AbsCriterion())
end, several(2, 4), randn(4)}
cases.ModuleCriterion = {function()
  return nn.ModuleCriterion(nn.MSECriterion(), nn.Tanh(), nn.Sigmoid())
end, randn(4, 3), randn(4, 3)}
cases['ModuleCriterion, input alone'] = {function()
  return nn.ModuleCriterion(nn.ClassNLLCriterion(), nn.LogSoftMax(), nil, false)
end, randn(4, 3), longs {1, 3, 2, 2}}

return cases
