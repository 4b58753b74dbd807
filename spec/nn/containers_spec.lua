-- What is particular of containers and table modules; the rest is in modules_spec and its cases.
local torch, nn = require 'torch', require 'nn'
local program = require 'spec.vm.program'

local function fails_with(message, fn)
  local ok, got = pcall(fn)
  assert.is_false(ok)
  assert.is_truthy(got:find(message, 1, true), got)
end

local function forward(module, ...)
  local input = select('#', ...) == 1 and (...) or {...}
  return function() return (module:forward(input)) end
end

describe('containers', function()
  it('print as Torch7 prints them', function()
    assert.equal([[
nn.Concat {
  input
    |`-> (1): nn.Linear(2 -> 1)
    |`-> (2): nn.Sequential {
    |      [input -> (1) -> output]
    |      (1): nn.Tanh
    |    }
     `-> (3): nn.Sequential {
           [input -> (1) -> output]
           (1): nn.Tanh
         }
     ... -> output
}]], tostring(nn.Concat(1):add(nn.Linear(2, 1)):add(nn.Sequential(nn.Tanh()))
      :add(nn.Sequential(nn.Tanh()))))
    for _, name in ipairs {'ConcatTable', 'ParallelTable', 'Parallel', 'DepthConcat'} do
      assert.equal(('nn.%s {\n  input\n     `-> (1): nn.Tanh\n     ... -> output\n}'):format(name),
        tostring(nn[name](1, 1):add(nn.Tanh())))
    end
    assert.equal('nn.Bottle @ nn.Linear(2 -> 1)', tostring(nn.Bottle(nn.Linear(2, 1))))
    assert.equal('nn.WeightNorm @ nn.Linear(2 -> 1)', tostring(nn.WeightNorm(nn.Linear(2, 1))))
    assert.equal('nn.NaN(here) @ nn.Tanh', tostring(nn.NaN(nn.Tanh(), 'here')))
    assert.equal('nn.GPU(2) @ nn.Tanh', tostring(nn.GPU(nn.Tanh(), 2)))
    assert.equal('nn.Convert(bchw -> bf)', tostring(nn.Convert('bchw', 'bf')))
    assert.equal('nn.SelectTable(2)', tostring(nn.SelectTable(2)))
  end)

  it('say what is wrong with an input', function()
    local x = torch.randn(2, 4)
    local both = nn.ParallelTable():add(nn.Tanh()):add(nn.Tanh())
    local parallel = nn.Parallel(1, 1):add(nn.Tanh())
    fails_with('input has 2 slices along dimension 1, expected as many as modules, 1',
      forward(parallel, x))
    fails_with('a table of values expected, got torch.FloatTensor', forward(both, x))
    fails_with('a table of 2 values, one for each module, expected, got 1', forward(both, {x}))
    fails_with('nn.Concat: no module to run', forward(nn.Concat(1), x))
    fails_with('an output of 3 dimensions expected of the module, got one of size [6x2]',
      forward(nn.Bottle(nn.Linear(4, 2), 2, 3), torch.randn(2, 3, 4)))
    fails_with('nn.Sequential {1} nn.Bottle {1} nn.Linear: input of size [6x5]',
      forward(nn.Sequential(nn.Bottle(nn.Linear(4, 2))), torch.randn(2, 3, 5)))
    fails_with('input of size [2x4], expected 4 dimensions: bchw',
      forward(nn.Convert('bchw', 'bf'), x))
    fails_with('input of size [2x4] has no place for f in b', forward(nn.Convert('bf', 'b'), x))
    fails_with("a word of the letters", function() nn.Convert('bxy', 'bf') end)
    fails_with("no letter twice", function() nn.Convert('bb', 'bf') end)
    fails_with('nn.WeightNorm: a module with a weight', function() nn.WeightNorm(nn.Tanh()) end)
    fails_with('a module expected, got number', function() nn.Decorator(3) end)
    fails_with('the number of a device expected', function() nn.GPU(nn.Tanh()) end)
  end)

  it('put images of different sizes into the middle of zeros', function()
    local image = torch.range(1, 16):view(1, 4, 4)
    local output = nn.DepthConcat(1):add(nn.Identity()):add(nn.View(1, 2, 8)):forward(image)
    assert.are.same({2, 4, 8}, output:size():totable())
    assert.are.same({0, 0, 1, 2, 3, 4, 0, 0}, output[1][1]:totable())
    assert.equal(0, output[2][1]:norm())
    assert.are.same({1, 2, 3, 4, 5, 6, 7, 8}, output[2][2]:totable())
  end)

  it('turn tensors by the names of their dimensions', function()
    local x = torch.range(1, 24):view(2, 3, 4)
    local function convert(from, to, input) return nn.Convert(from, to):forward(input or x) end
    assert.is_true(convert('bwc', 'bcw'):equal(x:transpose(2, 3)))
    assert.is_true(convert('cbw', 'bf'):equal(x:transpose(1, 2):contiguous():view(3, 8)))
    assert.is_true(convert('bcw', 'fb'):equal(x:contiguous():view(2, 12):t()))
    assert.are.same({2, 3, 1, 4}, convert('bcw', 'bchw'):size():totable())
    assert.are.same({2}, convert('bf', 'b', torch.ones(2, 1)):size():totable())
    assert.are.same({24}, convert('chw', 'f'):size():totable())
    assert.are.same({2, 12}, convert('cw', 'f'):size():totable())
    assert.are.same({3, 4, 2}, convert('bchw', 'bhwc'):size():totable())
    assert.equal('torch.FloatTensor', nn.Convert():forward(torch.LongTensor{1}):type())
  end)
end)

describe('nn.MapTable', function()
  local input = {torch.randn(4), torch.randn(4), torch.randn(4)}
  local dy = {torch.ones(2), torch.ones(2), torch.ones(2)}

  it('is one module, however many values there are', function()
    local map = nn.MapTable(nn.Linear(4, 2))
    local linear = map:get(1):clone()
    local wanted = nn.ParallelTable():add(linear):add(linear:clone('weight', 'bias'))
      :add(linear:clone('weight', 'bias'))
    for _, module in ipairs {map, wanted} do
      module:zeroGradParameters()
      module:forward(input)
      module:backward(input, dy)
      module:updateParameters(1)
    end
    assert.equal(3, map:size())
    assert.is_true((map:get(3).weight:detach() - linear.weight:detach()):abs():max() < 1e-5)
    assert.equal(2, #map:parameters())
    assert.equal(2, #map:forward({input[1], input[2]}))
    assert.equal(2, map:size())
    assert.equal(10, map:resize(10):size())
    assert.is_true(map:get(4).weight:storage() == map:get(1).weight:storage())
    local flat = map:getParameters()
    flat:fill(3)
    assert.equal(24, map:get(10).weight:sum():item())
    assert.equal('torch.DoubleTensor', map:double():get(4).weight:type())
    assert.is_true(map:get(4).weight == map:get(1).weight)
    map:clearState()
    assert.equal(1, map:size())
  end)

  it('learns apart where nothing is shared', function()
    local map = nn.MapTable(nn.Linear(4, 2), false):resize(3)
    assert.equal(6, #map:parameters())
    map:get(1).weight:zero()
    assert.is_true(map:get(2).weight:norm():item() > 0)
    assert.equal(3, map:clearState():size())
  end)
end)

describe('decorators', function()
  it('split a weight in length and direction, which changes nothing at first', function()
    local linear, x = nn.Linear(4, 3), torch.randn(5, 4)
    local wanted = linear:forward(x):clone()
    local module = nn.WeightNorm(linear)
    assert.is_true((module:forward(x) - wanted):abs():max() < 1e-5)
    assert.are.same({3, 1}, module.g:size():totable())
    assert.equal(3, #module:parameters())
    assert.is_true(module.bias == linear.bias and module.gradBias == linear.gradBias)
    assert.equal(12 + 3 + 3, (module:getParameters()):nElement())
    module.g:mul(2)
    local bias = linear.bias:detach():view(1, 3):expandAs(wanted)
    assert.is_true((module:forward(x) - (wanted - bias) * 2 - bias):abs():max() < 1e-5)
    module:reset()
    assert.is_true((module:forward(x) - module:clone():forward(x)):abs():max() == 0)
    assert.is_true((linear.weight:norm() - module:computedWeight():detach():norm()) < 1e-5)
  end)

  it('find what is no number', function()
    local nan, x = 0 / 0, torch.randn(2, 4)
    local linear = nn.Linear(4, 3)
    local model = nn.Sequential(nn.NaN(linear, 'first'), nn.NaN(nn.Sqrt and nn.Sqrt() or nn.Tanh()))
    fails_with('NaN found in input of module :\nnn.NaN(first) @ nn.Linear',
      forward(nn.NaN(linear, 'first'), x:clone():fill(nan)))
    linear.bias:fill(nan)
    fails_with('NaN found in parameters of module :\nnn.NaN(first)', forward(model, x))
    linear.bias:zero()
    local Bad = torch.class('spec.Bad', 'nn.Module', {})
    function Bad:updateOutput(input) return torch.sqrt(-torch.ones_like(input)) end
    fails_with('NaN found in output of module :\nnn.NaN', forward(nn.NaN(Bad.new()), x))
    local module = nn.NaN(linear)
    module:forward(x)
    fails_with('NaN found in gradOutput of module', function()
      local d = module:backward(x, torch.Tensor(2, 3):fill(nan))
      return d
    end)
    linear.weight:fill(1 / 0)
    local ones = torch.ones(2, 4)
    module:forward(ones)
    fails_with('NaN found in gradInput of module', function()
      local d = module:backward(ones, torch.zeros(2, 3))
      return d
    end)
  end)

  it('measure time', function()
    local code = 'local module, x = nn.Profile(nn.Linear(4, 3), 2, "layer"), torch.randn(2, 4) '
      .. 'for _ = 1, 2 do module:forward(x) module:backward(x, torch.ones(2, 3)) end'
    local output = program.run('-e ' .. program.quote(code))
    assert.is_truthy(output:find('^layer took %d+%.%d+ seconds for 2 forward passes\n'
      .. 'layer took %d+%.%d+ seconds for 2 backward passes\n$'))
  end)

  it('keep the type of a module', function()
    local inner = nn.Linear(4, 3):double()
    local model = nn.Sequential(nn.Linear(4, 4), nn.DontCast(inner, true), nn.Linear(3, 2))
    assert.equal('torch.FloatTensor', model:forward(torch.randn(2, 4)):type())
    model:float()
    assert.equal('torch.DoubleTensor', inner.weight:type())
    model:zeroGradParameters()
    model:backward(torch.randn(2, 4), torch.randn(2, 2))
    assert.is_true(inner.gradWeight:norm() > 0)
    model:double()
    assert.equal('torch.DoubleTensor', model:forward(torch.randn(2, 4):double()):type())
    assert.equal('torch.DoubleTensor', nn.DontCast(inner):forward(torch.randn(4):double()):type())
  end)
end)

describe('table modules', function()
  it('say what is wrong with an input', function()
    local a, b = torch.randn(2, 3), torch.randn(2, 4)
    fails_with('nn.CAddTable: a table of values expected, got torch.FloatTensor',
      forward(nn.CAddTable(), a))
    fails_with('nn.CSubTable: a table of 2 values expected, got 3',
      forward(nn.CSubTable(), a, a, a))
    fails_with('a table of one or more values expected, got an empty one',
      forward(nn.JoinTable(1), {}))
    fails_with('a tensor expected as part 2 of the input, got table',
      forward(nn.CMulTable(), a, {}))
    fails_with('nn.JoinTable: dimension 3 expected, but the input has 2',
      forward(nn.JoinTable(3), a, a))
    fails_with('nn.SelectTable: no value 3 in a table of 2', forward(nn.SelectTable(3), a, a))
    fails_with('nn.NarrowTable: values 2 to 4 expected, but the table has 2',
      forward(nn.NarrowTable(2, 3), a, a))
    fails_with('two batches of them, expected, got sizes [2x3] and [2x4]',
      forward(nn.CosineDistance(), a, b))
    fails_with('expected, got sizes [2x3] and [3]', forward(nn.MM(), a, a[1]:resize(3)))
    fails_with('expected, got sizes [2x3] and [2x4]', forward(nn.MV(), a, b))
    fails_with('and as many experts, expected, got [2x3] and experts of [2x2x4]',
      forward(nn.MixtureTable(), a, {b, b}))
    fails_with('a table of 2 values expected, got 1', forward(nn.ZipTable(), {a, a}, {a}))
    fails_with('shapes do not fit: [2x3] and [2x4]', forward(nn.CAddTable(), a, b))
  end)

  it('give what they should', function()
    local a, b = torch.Tensor{1, 5}, torch.Tensor{3, 4}
    local function of(name, ...) return nn[name](...):forward({a, b}):totable() end
    assert.are.same({4, 9}, of('CAddTable'))
    assert.are.same({-2, 1}, of('CSubTable'))
    assert.are.same({3, 20}, of('CMulTable'))
    assert.are.same({3, 5}, of('CMaxTable'))
    assert.are.same({1, 4}, of('CMinTable'))
    assert.are.same({1, 5, 3, 4}, of('JoinTable', 1))
    assert.are.same({23}, of('DotProduct'))
    assert.are.same({3}, of('PairwiseDistance', 1))
    assert.is_true(math.abs(of('CosineDistance')[1] - 23 / math.sqrt(26 * 25)) < 1e-6)
    local zipped = nn.ZipTable():forward({{1, 2}, {3, 4}})
    assert.are.same({{1, 3}, {2, 4}}, zipped)
    assert.are.same({{9, 1}, {9, 2}}, nn.ZipTableOneToMany():forward({9, {1, 2}}))
    assert.are.same({1, 2, 3}, nn.FlattenTable():forward({1, {2, {3}}}))
  end)

  it('share gradients of distances that are 0', function()
    local x = torch.randn(2, 3)
    for _, module in ipairs {nn.PairwiseDistance(2), nn.PairwiseDistance(1)} do
      module:forward({x, x:clone()})
      local gradient = module:backward({x, x:clone()}, torch.ones(2))
      assert.equal(0, gradient[1]:norm())
    end
  end)

  it('keep in step with a loss: CriterionTable', function()
    local module, a, b = nn.CriterionTable(nn.MSECriterion()), torch.ones(2), torch.zeros(2)
    assert.equal(1, module:forward({a, b}))
    local gradient = module:backward({a, b}, 2)
    assert.are.same({2, 2}, gradient[1]:totable())
    assert.are.same({-2, -2}, gradient[2]:totable())
    assert.equal('torch.DoubleTensor', module:double().criterion.gradInput:type())
  end)
end)
