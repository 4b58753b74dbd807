-- Models, criterions and optimizers on a GPU: what moves there, and that the same happens there.
local torch = require 'torch'
local nn = require 'nn'
local optim = require 'optim'

if not torch.cuda.is_available() then return end

local function near(a, b, tolerance, what)
  local scale = math.max(1, torch.abs(b:double()):max())
  assert.is_true(torch.dist(a:double(), b:double()) <= (tolerance or 1e-4) * scale, what)
end

local function make()
  torch.manualSeed(3)
  return nn.Sequential():add(nn.Linear(4, 5)):add(nn.BatchNormalization(5)):add(nn.Tanh())
    :add(nn.Linear(5, 3)):add(nn.LogSoftMax())
end
-- Without batch normalisation, which leaves nothing but rounding of the gradient of a bias before
-- it.
local function make_plain()
  torch.manualSeed(3)
  return nn.Sequential():add(nn.Linear(4, 5)):add(nn.Tanh()):add(nn.Linear(5,
    3)):add(nn.LogSoftMax())
end
torch.manualSeed(5)
local x, labels = torch.randn(8, 4), torch.LongTensor { 1, 2, 3, 1, 2, 3, 1, 2 }

describe('a model', function()
  it('goes to a GPU and back with all it has', function()
    local model = make()
    local y = model:forward(x):clone()
    assert.is_true(model:cuda() == model)
    assert.equal('torch.CudaTensor', model:type())
    for _, module in ipairs(model:listModules()) do assert.equal('torch.CudaTensor',
      module:type()) end
    local weights, gradients = model:parameters()
    for k, w in ipairs(weights) do
      assert.equal('torch.CudaTensor', w:type())
      assert.equal('torch.CudaTensor', gradients[k]:type())
      assert.is_true(w.requires_grad)
    end
    assert.equal('torch.CudaTensor', model:get(2).running_mean:type())
    near(model:forward(x:cuda()), y)
    local w = model:get(1).weight
    model:cuda()
    assert.is_true(model:get(1).weight == w) -- it was there
    assert.is_true(model:cpu() == model)
    assert.equal('torch.FloatTensor', model:type())
    near(model:forward(x), y)
    for name, method in pairs { ['torch.CudaHalfTensor'] = 'cudaHalf', ['torch.CudaTensor'] =
      'cudaFloat',
        ['torch.CudaDoubleTensor'] = 'cudaDouble', ['torch.CudaBFloat16Tensor'] = 'cudaBFloat16',
        ['torch.FloatTensor'] = 'float', ['torch.DoubleTensor'] = 'double' } do
      model:cuda()
      assert.equal(name, model[method](model):type())
      assert.equal(name, model:get(1).weight:type())
      assert.equal(name, model:get(1).weight.grad:type())
    end
    assert.equal('torch.CudaTensor', model:type('torch.CudaTensor'):get(4).bias:type())
    assert.equal('torch.CudaBFloat16Tensor', model:bfloat16():get(4).bias:type())
    assert.equal('torch.CudaTensor', model:to('float32'):get(4).bias:type())
    assert.equal('torch.DoubleTensor', model:to { device = 'cpu', dtype = 'float64' }:type())
  end)

  it('has its parameters in one vector there', function()
    local model = make():cuda()
    local flat, grads = model:getParameters()
    assert.equal('torch.CudaTensor', flat:type())
    assert.equal('torch.CudaTensor', grads:type())
    flat:fill(2)
    assert.equal(2, model:get(4).weight:detach()[1][1])
    model:zeroGradParameters()
    model:forward(x:cuda())
    model:backward(x:cuda(), torch.CudaTensor(8, 3):fill(1))
    assert.is_true(grads:norm() > 0)
    -- one storage on the CPU is one storage there
    local other = make()
    other:getParameters()
    other:cuda()
    assert.is_true(other:get(1).weight:storage() == other:get(4).bias:storage())
  end)

  it('is cloned, shared and saved', function()
    local model = make():cuda()
    local y = model:evaluate() or model:forward(x:cuda()):clone()
    local copy = model:clone()
    near(copy:forward(x:cuda()), y)
    assert.is_false(copy:get(1).weight:storage() == model:get(1).weight:storage())
    local twin = model:clone('weight', 'bias')
    assert.is_true(twin:get(1).weight:storage() == model:get(1).weight:storage())
    local shared = make():cuda():share(model, 'weight')
    assert.is_true(shared:get(1).weight:isSetTo(model:get(1).weight))
    assert.is_true(model:sharedClone():get(1).weight == model:get(1).weight)
    local back = torch.deserialize(torch.serialize(model))
    assert.equal('torch.CudaTensor', back:type())
    near(back:forward(x:cuda()), y)
    back = torch.deserialize(torch.serialize(model), { device = 'cpu' })
    assert.equal('torch.FloatTensor', back:type())
    near(back:forward(x), y)
    assert.equal('torch.FloatTensor', model:clearState():float():get(1).output:type())
  end)

  it('shares parameters among modules on the way', function()
    local first = nn.Linear(4, 4)
    local second = nn.Linear(4, 4):share(first, 'weight', 'bias', 'gradWeight', 'gradBias')
    local model = nn.Sequential():add(first):add(nn.Recursor(second)):add(nn.Tanh()):cuda()
    assert.is_true(first.weight:storage() == second.weight:storage())
    assert.is_true(first.gradWeight:storage() == second.gradWeight:storage())
    assert.equal('torch.CudaTensor', model:forward(x:cuda()):type())
  end)

  it('is moved by a `type` of its own', function()
    local Own, parent = torch.class('nn.OwnTypeForSpec', 'nn.Linear')
    function Own:type(name, cache)
      if name then self.asked = name end
      return parent.type(self, name, cache)
    end
    local model = nn.Sequential():add(nn.OwnTypeForSpec(2, 2)):cuda()
    assert.equal('torch.CudaTensor', model:get(1).asked)
    assert.equal('torch.CudaTensor', model:get(1).weight:type())
    assert.equal('torch.FloatTensor', model:cpu():get(1).asked)
    nn.OwnTypeForSpec = nil
  end)

  it('keeps indices and masks as they are', function()
    local module = nn.Identity()
    module.places, module.mask = torch.LongTensor { 2, 1 }, torch.ByteTensor { 1, 0 }
    module.list = { torch.zeros(2), 'text' }
    module:cuda()
    assert.equal('torch.CudaLongTensor', module.places:type())
    assert.equal('torch.CudaByteTensor', module.mask:type())
    assert.equal('torch.CudaTensor', module.list[1]:type())
    module:float()
    assert.equal('torch.LongTensor', module.places:type())
    module:type('torch.CudaDoubleTensor')
    assert.equal('torch.CudaLongTensor', module.places:type())
    assert.equal('torch.CudaDoubleTensor', module.list[1]:type())
  end)

  it('works with nn.utils', function()
    local value = nn.utils.recursiveType({ x, { x } }, 'torch.CudaTensor')
    assert.equal('torch.CudaTensor', value[2][1]:type())
    local like = nn.utils.recursiveResizeAs({}, value)
    assert.equal('torch.CudaTensor', like[2][1]:type())
    nn.utils.recursiveFill(like, 1)
    nn.utils.recursiveAdd(like, 2, value)
    near(like[2][1]:float(), x * 2 + 1)
    local copy = nn.utils.recursiveCopy({ torch.CudaTensor(), { torch.CudaTensor() } }, value)
    near(copy[1]:float(), x)
  end)

  it('is used in sequences', function()
    local model = nn.Sequencer(nn.Sequential():add(nn.FastLSTM(4, 5)):add(nn.Linear(5, 2)))
    local steps = { x, x:clone():mul(2) }
    local y = model:forward(steps)
    local expected = { y[1]:clone(), y[2]:clone() }
    model:cuda()
    model:forget()
    local got = model:forward({ steps[1]:cuda(), steps[2]:cuda() })
    near(got[2], expected[2])
    local sequence = nn.SeqLSTM(4, 3):cuda()
    assert.equal('torch.CudaTensor', sequence:forward(torch.randn(5, 2, 4):cuda()):type())
  end)
end)

describe('a criterion', function()
  it('takes numbers, tables and tensors of either place as target', function()
    local scores = torch.log_softmax(torch.randn(2, 3), 2)
    for _, name in ipairs { 'ClassNLLCriterion', 'CrossEntropyCriterion',
      'MultiMarginCriterion' } do
      local here, there = nn[name](), nn[name]():cuda()
      local expected = here:forward(scores, torch.LongTensor { 2, 3 })
      for _, target in ipairs { torch.CudaLongTensor { 2, 3 }, torch.CudaTensor { 2, 3 } } do
        assert.is_true(math.abs(there:forward(scores:cuda(), target) - expected) < 1e-5, name)
        near(there:backward(scores:cuda(), target), here:backward(scores, torch.LongTensor { 2,
          3 }))
      end
      assert.is_true(math.abs(there:forward(scores[1]:cuda(), 2) - here:forward(scores[1],
        2)) < 1e-5)
    end
    local weighted = nn.ClassNLLCriterion(torch.Tensor { 1, 2, 3 })
    local expected = weighted:forward(scores, torch.LongTensor { 2, 3 })
    weighted:cuda()
    assert.equal('torch.CudaTensor', weighted.weights:type())
    assert.is_true(math.abs(weighted:forward(scores:cuda(), torch.CudaLongTensor { 2,
      3 }) - expected) < 1e-5)
  end)
end)

-- What is drawn at random on the way differs; de and cmaes take functions without gradients.
local METHODS = { sgd = { learningRate = 0.1, momentum = 0.9, weightDecay = 0.01 }, adam = {},
  adagrad = {},
  rmsprop = {}, adadelta = {}, adamax = {}, nag = { learningRate = 0.1, momentum = 0.9 }, asgd =
    {}, rprop = {},
  lbfgs = { maxIter = 4 }, cg = { maxIter = 4 } }
local CLASSES = { 'SGD', 'Adam', 'AdamW', 'Adagrad', 'RMSprop', 'Adadelta', 'Adamax', 'NAdam',
  'RAdam', 'Rprop' }

-- A norm on a GPU is a tensor without dimensions: nobody has waited for it.
local function number(norm) return torch.isTensor(norm) and norm:item() or norm end

describe('optimizers', function()
  for method, options in pairs(METHODS) do
    it(method .. ' does there what it does here', function()
      local results = {}
      for _, device in ipairs { 'cpu', 'cuda' } do
        local model, criterion = make_plain():to(device), nn.ClassNLLCriterion():to(device)
        local flat, grads = model:getParameters()
        local input, target, config = x:to(device), labels:to(device), {}
        for key, value in pairs(options) do config[key] = value end
        for _ = 1, 4 do
          optim[method](function()
            grads:zero()
            local out = model:forward(input)
            local loss = criterion:forward(out, target)
            model:backward(input, criterion:backward(out, target))
            return loss, grads
          end, flat, config)
        end
        for key, value in pairs(config) do
          if torch.isTensor(value) then assert.equal(flat:type(), value:type(), key) end
        end
        results[device] = flat:float()
      end
      near(results.cuda, results.cpu, 2e-3, method)
    end)
  end

  for _, name in ipairs(CLASSES) do
    if optim[name] then
      it(name .. ' does there what it does here, and goes on from a state', function()
        local results = {}
        for _, device in ipairs { 'cpu', 'cuda' } do
          local model, criterion = make_plain():to(device), nn.ClassNLLCriterion():to(device)
          local optimizer = optim[name](model:parameters(), { lr = 0.01 })
          local input, target = x:to(device), labels:to(device)
          for step = 1, 4 do
            optimizer:zero_grad()
            criterion(model(input), target):backward()
            optimizer:step()
            if step == 2 then -- as from a checkpoint that was read to the CPU
              local state = torch.deserialize(torch.serialize(optimizer:state_dict()), { device =
                'cpu' })
              optimizer = optim[name](model:parameters(), { lr = 0.01 })
              optimizer:load_state_dict(state)
            end
          end
          assert.is_true(number(optim.clip_grad_norm_(model:parameters(), 1e9)) > 0)
          results[device] = (model:getParameters()):detach():float()
        end
        near(results.cuda, results.cpu, 2e-3, name)
      end)
    end
  end

  it('clip on a GPU as on the CPU', function()
    local list = {}
    for _, device in ipairs { 'cpu', 'cuda' } do
      local w, v = torch.zeros(3, { device = device }), torch.zeros(2, 2, { device = device })
      w.requires_grad, v.requires_grad = true, true
      w.grad, v.grad = torch.Tensor { 1, 2, 3 }:to(device), torch.Tensor { { 1, -1 }, { 4,
        0 } }:to(device)
      for _, p in ipairs { 1, 2, math.huge } do
        list[#list + 1] = number(optim.clip_grad_norm_({ w, v }, 1e9, p))
      end
      list[#list + 1] = number(optim.clip_grad_norm_({ w, v }, 1))
      optim.clip_grad_value_({ w, v }, 0.3)
      list[#list + 1] = w.grad:cpu():sum() + v.grad:cpu():sum()
    end
    for k = 1, #list / 2 do assert.is_true(math.abs(list[k] - list[k + #list / 2]) < 1e-5) end
  end)
end)
