-- What programs written for Torch7 do with modules: sharing, flattening, types, updates.
local torch, nn = require 'torch', require 'nn'
local tensors = require 'spec.support.tensors'
local program = require 'spec.vm.program'

local function layers(...)
  local model, sizes = nn.Sequential(), {...}
  for i = 2, #sizes do model:add(nn.Linear(sizes[i - 1], sizes[i])) end
  return model
end

local function distance(a, b) return (a:detach() - b:detach()):abs():max() end

describe('getParameters', function()
  it('takes over what is not contiguous, without holes', function()
    local layer, matrix = nn.Linear(10, 10), torch.Tensor(10, 10):fill(2)
    for d = 1, 2 do
      layer.weight = torch.Tensor(10, 10):t():fill(1)
      layer.bias = matrix:select(d, 2)
      local flat = layer:getParameters()
      assert.equal(110, flat:nElement())
      assert.equal(110, flat:storage():size())
      assert.equal(100, layer.weight:sum():item())
      assert.equal(20, layer.bias:detach():sum())
      assert.is_true(layer.weight:storage() == layer.bias:storage())
    end
  end)

  it('parts tensors that lie between each other', function()
    local layer, both = nn.Linear(1, 10), torch.range(1, 20):view(10, 2)
    layer.weight, layer.bias = both:select(2, 1), both:select(2, 2)
    layer.gradWeight, layer.gradBias = torch.zeros(10), torch.ones(10)
    local flat, gradient = layer:getParameters()
    assert.equal(20, flat:nElement())
    assert.equal(10, gradient:sum())
    assert.are.same({1, 3, 5, 7, 9, 11, 13, 15, 17, 19}, layer.weight:totable())
    assert.equal(10, layer.gradBias:sum())
  end)

  it('takes parts of models that were flattened before', function()
    local first, second = layers(10, 10, 10), layers(10, 10, 10)
    first:getParameters()
    second:getParameters()
    local kept = second:get(1).weight:detach():clone()
    local model = nn.Sequential(first:get(1), second:get(1))
    local flat = model:getParameters()
    assert.equal(220, flat:nElement())
    assert.equal(220, flat:storage():size())
    assert.is_true(flat[{{111, 210}}]:equal(kept:view(100)))
    assert.is_true(second:get(1).weight:storage() == flat:storage())
  end)

  it('respects shared tensors, also in clones of the model', function()
    local first = nn.Linear(3, 3)
    local model = nn.Sequential(first, first:clone('weight', 'bias', 'gradWeight', 'gradBias'))
    for _ = 1, 2 do
      local flat, gradient = model:getParameters()
      assert.equal(12, flat:nElement())
      assert.equal(12, gradient:nElement())
      flat:fill(2)
      gradient:fill(3)
      assert.equal(18, model:get(2).weight:sum():item())
      assert.equal(9, model:get(2).gradBias:sum())
      model = model:clone()
    end
    assert.equal(0, nn.Module.flatten({}):nElement())
    assert.equal(0, (nn.Tanh():getParameters()):nElement())
    local list = {torch.ones(2), torch.ones(3)}
    local flat = nn.Module.flatten(list)
    list[2]:fill(5)
    assert.are.same({1, 1, 5, 5, 5}, flat:totable())
  end)
end)

describe('type', function()
  local function model_of_two()
    local model = layers(15, 10):add(nn.Linear(15, 10))
    model:get(1).bias:fill(1)
    model:get(2).bias:fill(2)
    model:get(1).empty = torch.Tensor()
    return model
  end

  it('keeps what is shared, and nothing else', function()
    local model = model_of_two():double()
    local first, second = model:get(1), model:get(2)
    assert.equal('torch.DoubleTensor', first.empty:type())
    first.bias:fill(3)
    assert.equal(20, second.bias:detach():sum())
    second.bias, second.empty = first.bias, first.empty
    model:float()
    assert.is_true(first.bias == second.bias)
    assert.is_true(first.empty == second.empty)
    local whole = torch.FloatTensor(15):fill(1)
    first.bias, second.bias = whole:narrow(1, 1, 10), whole:narrow(1, 6, 10)
    model:double()
    first.bias:fill(4)
    assert.equal(25, second.bias:detach():sum())
    assert.equal('torch.FloatTensor', whole:type())
  end)

  it('leaves what has the type already as it is', function()
    local model = layers(2, 2)
    local flat = model:getParameters()
    model:float()
    assert.is_true(model:get(1).weight:storage() == flat:storage())
  end)

  it('shares between models by a cache', function()
    local first, second = layers(3, 2), layers(3, 2)
    second:share(first, 'weight')
    local apart, together = {first:clone(), second:clone()}, {}
    apart[2]:share(apart[1], 'weight')
    apart[1]:double()
    apart[2]:double()
    apart[1]:get(1).weight:fill(7)
    assert.is_true(apart[2]:get(1).weight:max():item() < 7)
    for _, kind in ipairs {'torch.DoubleTensor', 'torch.FloatTensor'} do
      assert.equal(first, first:type(kind, together))
      second:type(kind, together)
      first:get(1).weight:fill(7)
      assert.equal(42, second:get(1).weight:sum():item())
      first:get(1).weight:zero()
    end
  end)

  it('asks modules that have their own way, and returns from circles', function()
    local Stubborn = torch.class('spec.Stubborn', 'nn.Module', {})
    function Stubborn:type(name) return name == nil and self._type or self end
    local model = nn.Sequential(nn.Linear(2, 2), Stubborn.new())
    model:get(2).kept = torch.Tensor(2)
    model:get(1).links = {parent = model}
    model.table = {deep = {torch.Tensor(1), torch.LongTensor(1)}}
    model:double()
    assert.equal('torch.FloatTensor', model:get(2).kept:type())
    assert.equal('torch.DoubleTensor', model:get(1).weight:type())
    assert.equal('torch.DoubleTensor', model.table.deep[1]:type())
    assert.equal('torch.LongTensor', model.table.deep[2]:type())
    assert.equal('torch.FloatTensor', model:to('float32'):get(1).bias:type())
  end)

  it('tells what it cannot do', function()
    local model = layers(2, 2)
    for message, fn in pairs {
      ["such as 'torch.DoubleTensor' expected, got torch.LongTensor"] = function()
        return model:type('torch.LongTensor'):get(1)
      end,
      ["no such type of tensor: 'torch.FooTensor'"] = function()
        return model:type('torch.FooTensor'):get(1)
      end,
    } do
      local ok, got = pcall(fn)
      assert.is_false(ok)
      assert.is_truthy(got:find('^[^:]*torch7_spec.lua:%d+: type: '))
      assert.is_truthy(got:find(message, 1, true))
    end
    if not torch.cuda.is_available() then
      assert.has_error(function() model:cuda() end)
      assert.equal('torch.FloatTensor', model:get(1).weight:type())
    end
  end)
end)

describe('updates', function()
  local x, dy = torch.randn(4, 3), torch.randn(4, 2)

  local function stepped(module, rate)
    local copy = module:clone()
    copy:zeroGradParameters()
    copy:forward(x)
    copy:backward(x, dy)
    copy:updateParameters(rate)
    return copy.weight
  end

  it('are made while gradients are accumulated', function()
    local layer = nn.Linear(3, 2)
    local wanted = stepped(layer, 0.1)
    layer.gradBias:fill(5)
    layer:forward(x)
    local gradient = layer:backwardUpdate(x, dy, 0.1)
    assert.is_true(rawequal(layer.gradInput, gradient))
    assert.is_true(distance(wanted, layer.weight) < 1e-6)
    assert.equal(10, layer.gradBias:sum())
  end)

  it('are made of shared weights, one after the other', function()
    local first = nn.Linear(3, 2)
    local second, before = first:clone(), first.weight:detach():clone()
    local step = before - stepped(first, 0.1):detach()
    second:share(first, 'weight')
    assert.is_true(first.shared and second.shared)
    for _, layer in ipairs {first, second} do layer:forward(x) end
    for _, layer in ipairs {first, second} do layer:updateGradInput(x, dy) end
    for _, layer in ipairs {first, second} do layer:accUpdateGradParameters(x, dy, 0.1) end
    assert.is_true(distance(before - step * 2, first.weight) < 1e-6)
    assert.is_true(first.weight:isSetTo(second.weight))
  end)

  it('step once where parameter and gradient are both shared', function()
    local first = nn.Linear(3, 3)
    local model = nn.Sequential(first, first:sharedClone())
    model:zeroGradParameters()
    first.gradWeight:fill(1)
    local before = first.weight:detach():clone()
    model:updateParameters(0.5)
    assert.is_true(distance(before - 0.5, model:get(2).weight) < 1e-6)
    local own = first:sharedClone(true, false)
    assert.is_true(own.weight:isSetTo(first.weight))
    assert.is_false(own.gradWeight:isSetTo(first.gradWeight))
  end)

  it('may come between forward and the halves of backward', function()
    local layer = nn.Linear(3, 2)
    layer:forward(x)
    layer:updateGradInput(x, dy)
    layer.weight:add(1)
    layer:zeroGradParameters()
    layer:accGradParameters(x, dy, 2)
    assert.is_true(distance(dy:t() * x * 2, layer.gradWeight) < 1e-5)
    assert.is_true(distance(dy * layer.weight:detach(), layer:updateGradInput(x, dy)) < 1e-5)
  end)
end)

describe('a module', function()
  it('takes tensors that a program puts in the places of its parameters', function()
    local layer, x, dy = nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)
    layer:zeroGradParameters()
    layer.weight, layer.bias = torch.ones(2, 3), torch.zeros(2)
    local model = nn.Sequential(layer)
    for _, module in ipairs {layer, model} do
      layer.gradWeight = torch.zeros(2, 3)
      module:forward(x)
      module:backward(x, dy)
      assert.is_true(distance(dy:t() * x, layer.gradWeight) < 1e-5)
    end
    layer.gradWeight = torch.zeros(2, 3)
    layer:backward(x, dy)
    assert.is_true(distance(dy:t() * x, layer.gradWeight) < 1e-5)
  end)

  it('has its fields from the beginning, whatever its constructor does', function()
    local Bare = torch.class('spec.Bare', 'nn.Module', {})
    function Bare:__init() self.fine = true end
    for _, module in ipairs {Bare.new(), nn.Linear(2, 2), nn.Sequential(), nn.MSECriterion()} do
      assert.equal(0, module.gradInput:nElement())
      assert.equal(torch.getdefaulttensortype(), module:type())
    end
    assert.equal(0, Bare.new().output:nElement())
    assert.equal(0, nn.MSECriterion().output)
  end)

  it('spares the gradient of its input where gradInput is nil', function()
    local x, dy = torch.randn(4, 3), torch.randn(4, 2)
    local model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    model:get(1).gradInput = nil
    model:zeroGradParameters()
    model:forward(x)
    model:backward(x, dy)
    assert.is_nil(model:get(1).gradInput)
    assert.is_true(model:get(1).gradWeight:norm() > 0)
    model:clearState()
    assert.is_nil(torch.deserialize(torch.serialize(model)):get(1).gradInput)
    local layer = nn.Linear(3, 2)
    layer.gradInput = nil
    layer:forward(x)
    assert.is_nil(layer:backward(x, dy))
    assert.is_true(layer.gradWeight:norm() > 0)
  end)

  it('is replaced, in a container and as a field', function()
    local Holder = torch.class('spec.Holder', 'nn.Module', {})
    function Holder:__init() self.inner = nn.Tanh() end
    local model = nn.Sequential(Holder.new(), nn.Tanh())
    local function to_relu(module)
      return torch.type(module) == 'nn.Tanh' and nn.ReLU() or module
    end
    assert.equal(model, model:replace(to_relu))
    assert.equal('nn.ReLU', torch.type(model:get(2)))
    assert.equal('nn.ReLU', torch.type(model:get(1).inner))
    assert.equal('nn.Identity', torch.type(model:replace(function() return nn.Identity() end)))
  end)

  it('is copied with tables, storages and tensors of any type', function()
    local module = nn.View(2, 3)
    module.list = {torch.LongTensor{1, 2}, {torch.ones(2)}}
    local copy = module:clone()
    copy.list[1]:fill(9)
    copy.list[2][1]:fill(9)
    copy.size[1] = 9
    assert.are.same({1, 2}, module.list[1]:totable())
    assert.are.same({1, 1}, module.list[2][1]:totable())
    assert.are.same({2, 3}, module.size:totable())
  end)

  it('goes through a MemoryFile and a file of text', function()
    local model, x = nn.Sequential(nn.Linear(3, 2), nn.Tanh()), torch.randn(4, 3)
    model:share(model, 'weight')
    for _, mode in ipairs {'binary', 'ascii'} do
      local file = torch.MemoryFile()
      file[mode](file)
      file:writeObject(model)
      file:seek(1)
      tensors.assert_same(model:forward(x), file:readObject():forward(x), 1e-5)
      file:close()
    end
  end)

  it('fails in th with the lines that programs look for', function()
    local code = 'print(select(2, pcall(function() nn.Sequential():add(nn.Identity()):add('
      .. 'nn.Sequential():add(nn.Linear(1, 1))):forward(torch.randn(2, 2)) end)))'
    local output = program.shell(('%s/th -e %s'):format(program.build, program.quote(code)))
    assert.is_truthy(output:find('\nIn 2 module of nn.Sequential:\nIn 1 module of nn.Sequential:\n',
      1, true))
  end)
end)

describe('a setting', function()
  it('counts from the next backward on, where Torch7 reads it there', function()
    local x, dy = torch.Tensor {1, 2}, torch.Tensor {1, 1}
    local reversal = nn.GradientReversal(1)
    reversal:forward(x)
    assert.are.same({-2, -2}, reversal:setLambda(2):backward(x, dy):totable())
    local lookup, rows = nn.LookupTable(3, 1), torch.LongTensor {2, 2}
    lookup:forward(rows)
    lookup:scaleGradByFreq():backward(rows, torch.ones(2, 1))
    assert.are.same({{0}, {1}, {0}}, lookup.gradWeight:totable())
  end)

  it('that programs look for is there', function()
    assert.equal('nn.LogSoftMax', torch.type(nn.CrossEntropyCriterion().lsm))
    local dropout, x = nn.SpatialDropout(0.5), torch.ones(4, 2, 2)
    assert.are.same(dropout:forward(x):totable(), dropout.noise:expandAs(x):totable())
  end)
end)

describe('Layers that share a weight', function()
  it('step from the values of their forward, in whatever order', function()
    for _, name in ipairs {'Euclidean', 'Cosine'} do
      local errors = torch.no_grad(function()
        return nn.Jacobian.testAllUpdate(nn[name](4, 3):double(), torch.randn(2, 4):double(),
          'weight', 'gradWeight')
      end)
      for way, err in pairs(errors) do assert.is_true(err < 1e-6, name .. ' ' .. way) end
    end
  end)
end)

describe('updateOutput and its like, called by a program', function()
  it('are what forward and the halves of backward are', function()
    local module, x, dy = nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)
    local y = module:updateOutput(x)
    assert.is_false(y.requires_grad)
    assert.is_true(module.output:equal(module:forward(x)))
    module:zeroGradParameters()
    local d = module:updateGradInput(x, dy)
    assert.is_true(distance(torch.mm(dy, module.weight:detach()), d) < 1e-6)
    module:accGradParameters(x, dy, 0.5)
    assert.is_true(distance(torch.mm(dy:t(), x) * 0.5, module.gradWeight) < 1e-6)
    local criterion = nn.MSECriterion()
    local loss = criterion:updateOutput(y, dy)
    assert.equal('number', type(loss))
    assert.equal(loss, criterion.output)
  end)
end)
