-- Optimizers against PyTorch's numbers, and whether they get there.
local torch, optim = require 'torch', require 'optim'

-- From PyTorch 2, float64: five steps from (1, -2, 3) down 0.5 (1, 2, 3) x^2 + 0.5 x, summed:
--
--   x = torch.tensor([1., -2., 3.], dtype=torch.float64, requires_grad=True)
--   for _ in range(5):
--       optimizer.zero_grad()
--       (0.5 * (torch.tensor([1., 2., 3.]) * x * x).sum() + 0.5 * x.sum()).backward()
--       optimizer.step()
local cases = {
  {'SGD', {lr = 0.1}, {0.385735, -0.82344, 0.365555}},
  {'SGD', {lr = 0.1, momentum = 0.9}, {-0.54374, 0.765735, -2.63122}},
  {'SGD', {lr = 0.1, momentum = 0.9, dampening = 0.3, weight_decay = 0.05},
    {-0.3298856244, 0.533796947403, -2.495438022926}},
  {'SGD', {lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 0.05},
    {-0.675266070287, 0.491147611741, -1.239075556887}},
  {'Adam', {lr = 0.1}, {0.504358171200, -1.503527447957, 2.501667655729}},
  {'Adam', {lr = 0.1, betas = {0.8, 0.95}, eps = 1e-3, weight_decay = 0.05},
    {0.506839937387, -1.505341664353, 2.502617152812}},
}

local START, CURVE = {1, -2, 3}, torch.DoubleTensor{1, 2, 3}

-- `x * x` is the matrix product: here the elementwise one is meant.
local function loss_of(x)
  return (torch.cmul(torch.cmul(x, x), CURVE) * 0.5 + x * 0.5):sum()
end

local function text(options)
  local parts = {}
  for name, value in pairs(options) do parts[#parts + 1] = name .. ' ' .. tostring(value) end
  table.sort(parts)
  return table.concat(parts, ', '):gsub('table: %S+', '...')
end

local function assert_numbers(expected, x, tolerance)
  for i, value in ipairs(expected) do
    assert.is_true(math.abs(x[i] - value) < (tolerance or 1e-9))
  end
end

local function leaf(values)
  return torch.DoubleTensor(values):requiresGrad(true)
end

for _, case in ipairs(cases) do
  local name, options, expected = case[1], case[2], case[3]
  describe(('optim.%s {%s}'):format(name, text(options)), function()
    it('steps as PyTorch does', function()
      local x = leaf(START)
      local optimizer = optim[name]({x}, options)
      for _ = 1, 5 do
        optimizer:zero_grad()
        loss_of(x):backward()
        optimizer:step()
      end
      assert_numbers(expected, x:detach())
    end)

    it('steps the same when the parameter is a strided view', function()
      local x = torch.zeros(3, 2):double():select(2, 1):copy(torch.DoubleTensor(START))
      assert.is_false(x:isContiguous())
      x.requires_grad = true
      local optimizer = optim[name]({x}, options)
      for _ = 1, 5 do
        optimizer:zero_grad()
        loss_of(x):backward()
        optimizer:step()
      end
      assert_numbers(expected, x:detach())
    end)

    it('goes on from its state', function()
      local x = leaf(START)
      local optimizer = optim[name]({x}, options)
      for i = 1, 5 do
        optimizer:zero_grad()
        loss_of(x):backward()
        optimizer:step()
        if i == 2 then
          local saved = torch.deserialize(torch.serialize(optimizer:state_dict()))
          optimizer = optim[name]({x}, {lr = 5})
          optimizer:load_state_dict(saved)
        end
      end
      assert_numbers(expected, x:detach())
    end)
  end)
end

-- Torch7's functions, with the same gradient. Their momentum dampens by default.
local function opfunc(x)
  return 0, torch.cmul(x, CURVE) + 0.5
end

local function run(method, config, steps)
  local x = torch.DoubleTensor(START)
  for _ = 1, steps or 5 do method(opfunc, x, config) end
  return x
end

describe('optim.sgd', function()
  it('steps as optim.SGD does', function()
    assert_numbers(cases[1][3], run(optim.sgd, {learningRate = 0.1}))
    assert_numbers(cases[2][3], run(optim.sgd, {learningRate = 0.1, momentum = 0.9, dampening = 0}))
    assert_numbers(cases[3][3], run(optim.sgd, {learningRate = 0.1, momentum = 0.9,
      dampening = 0.3, weightDecay = 0.05}))
    assert_numbers(cases[4][3], run(optim.sgd, {learningRate = 0.1, momentum = 0.9, dampening = 0,
      nesterov = true, weightDecay = 0.05}))
  end)

  it('has rates, decays and defaults as in Torch7', function()
    local config = {}
    local x = torch.DoubleTensor{1}
    local returned, values = optim.sgd(function() return 42, torch.DoubleTensor{1} end, x, config)
    assert.is_true(returned == x)
    assert.are.same({42}, values)
    assert.is_true(math.abs(x[1] - 0.999) < 1e-12)
    assert.equal(1, config.evalCounter)
    local state = {}
    x:fill(1)
    for _ = 1, 2 do
      optim.sgd(function() return 0, torch.DoubleTensor{1} end, x,
        {learningRate = 0.5, learningRateDecay = 1}, state)
    end
    assert.is_true(math.abs(x[1] - (1 - 0.5 - 0.25)) < 1e-12)
    assert.equal(2, state.evalCounter)
    -- Dampening is the momentum: 1, then 0.9 + 0.1.
    local once = run(optim.sgd, {learningRate = 0.1, momentum = 0.9}, 1)
    assert.is_true(math.abs(once[1] - 0.85) < 1e-12)
    local each = {learningRate = 1, learningRates = torch.DoubleTensor{1, 0, 0.5},
      weightDecays = torch.DoubleTensor{0, 0, 1}}
    assert_numbers({-0.5, -2, 3 - 0.5 * (9.5 + 3)}, run(optim.sgd, each, 1))
    assert.has_error(function() optim.sgd(opfunc, x, {nesterov = true}) end)
  end)
end)

describe('optim.adam', function()
  it('steps as in Torch7', function()
    -- But for where epsilon stands, its formula is PyTorch's.
    assert_numbers(cases[5][3], run(optim.adam, {learningRate = 0.1}), 1e-7)
    -- The formula itself, with an epsilon that counts.
    local config = {learningRate = 0.1, learningRateDecay = 0.5, beta1 = 0.8, beta2 = 0.95,
      epsilon = 0.1, weightDecay = 0.2}
    local x, m, v = 1, 0, 0
    for t = 1, 4 do
      local g = x + 0.5 + 0.2 * x
      m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
      local rate = 0.1 / (1 + (t - 1) * 0.5)
      x = x - rate * math.sqrt(1 - 0.95 ^ t) / (1 - 0.8 ^ t) * m / (math.sqrt(v) + 0.1)
    end
    assert.is_true(math.abs(run(optim.adam, config, 4)[1] - x) < 1e-12)
    assert.equal(4, config.t)
  end)

  it('reaches a minimum', function()
    local x = run(optim.adam, {learningRate = 0.05}, 2000)
    assert.is_true((torch.cmul(x, CURVE) + 0.5):abs():max() < 1e-3)
  end)
end)

describe('optimizers', function()
  it('take a list, a model, and parameters with gradients beside them', function()
    local nn = require 'nn'
    local model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert.equal(4, #optim.SGD(model:parameters()).parameters)
    assert.equal(4, #optim.Adam(model, {lr = 1}).parameters)
    local shared = nn.Sequential(model:get(1), model:get(1))
    assert.equal(2, #optim.SGD(shared:parameters(), {}).parameters)
  end)

  it('leave parameters without a gradient alone', function()
    local x, y = leaf{1}, leaf{1}
    local optimizer = optim.SGD({x, y}, {lr = 1});
    (x * 2):sum():backward()
    optimizer:step()
    assert.equal(-1, x:detach()[1])
    assert.equal(1, y:detach()[1])
    optimizer:zero_grad()
    assert.equal(0, x.grad[1])
    assert.is_nil(y.grad)
  end)

  it('say what is wrong', function()
    for part, fn in pairs {
      ["no option 'rate'; there are dampening, lr"] = function()
        optim.SGD({leaf{1}}, {rate = 1})
      end,
      ['option lr must be a number, got string'] = function()
        optim.Adam({leaf{1}}, {lr = '1'})
      end,
      ['lr must not be below 0'] = function() optim.SGD({leaf{1}}, {lr = -1}) end,
      ['a list of parameters expected'] = function() optim.SGD({}, {lr = 1}) end,
      ['parameter 1 has no gradient'] = function() optim.SGD({torch.ones(2)}, {lr = 1}) end,
      ['nesterov needs a momentum'] = function() optim.SGD({leaf{1}}, {nesterov = true}) end,
      ['beta 2 must be'] = function() optim.Adam({leaf{1}}, {betas = {0.9, 1}}) end,
      ['the state of 1 parameters expected, got 2'] = function()
        optim.SGD({leaf{1}}, {lr = 1}):load_state_dict({state = {false, false}})
      end,
    } do
      local ok, message = pcall(fn)
      assert.is_false(ok)
      assert.is_truthy(message:find(part, 1, true))
    end
  end)

  it('are loaded by name', function()
    local names = {}
    for _, name in ipairs(getmetatable(optim).__names(optim)) do names[name] = true end
    for _, name in ipairs {'sgd', 'adam', 'SGD', 'Adam'} do assert.is_true(names[name]) end
    assert.is_nil(optim.nothing)
    assert.equal('optim.Adam', torch.type(optim.Adam({leaf{1}})))
  end)
end)
