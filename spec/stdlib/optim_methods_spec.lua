-- Torch7's functional methods, gradient limits, schedules without a model elsewhere, and the tables
-- of results.
local torch, optim = require 'torch', require 'optim'

-- Rosenbrock's valley: 100 (y - x^2)^2 + (1 - x)^2, least, 0, at (1, 1).
local function valley(x)
  local a, b = x[1], x[2]
  local gap = b - a * a
  return 100 * gap * gap + (1 - a) ^ 2,
    x:clone():copy(torch.DoubleTensor{-400 * a * gap - 2 * (1 - a), 200 * gap})
end

local function start() return torch.DoubleTensor{-1.2, 1} end

local function near(expected, got, tolerance)
  assert.is_true(math.abs(expected - got) <= (tolerance or 1e-9), ('%.10g, not %.10g'):format(got,
    expected))
end

local function assert_at(expected, x, tolerance)
  for i, value in ipairs(expected) do near(value, x[i], tolerance) end
end

local function fails(part, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(part, 1, true), ('%s\n does not hold\n%s'):format(
    tostring(message), part))
end

-- ---------------------------------------------------------------------------------------------
-- Methods of one step a call.

-- f(x) = 0.5 (1, 2, 3) x^2 + 0.5 x, as in spec/golden/optim.py.
local CURVE = torch.DoubleTensor{1, 2, 3}
local function bowl(x) return 7, torch.cmul(x, CURVE) + 0.5 end

local function run(method, config, state)
  local x = torch.DoubleTensor{1, -2, 3}
  for _ = 1, 5 do
    local same, values = method(bowl, x, config, state)
    assert.is_true(same == x)
    assert.are.same({7}, values)
  end
  return x
end

-- The same formula as the class of the golden case number k.
local golden = dofile('spec/golden/optim.lua').optimizers
local function expected(name, n)
  for _, case in ipairs(golden) do
    if case[1] == name then
      n = n - 1
      if n == 0 then return case[3] end
    end
  end
end

describe('functional methods', function()
  it('step as PyTorch does where the formula is the same', function()
    assert_at(expected('Adamax', 1), run(optim.adamax, {learningRate = 0.1}), 1e-6)
    assert_at(expected('Adamax', 2), run(optim.adamax, {learningRate = 0.1, beta1 = 0.8,
      beta2 = 0.95, epsilon = 1e-3, weightDecay = 0.05}), 1e-6)
    assert_at(expected('Adagrad', 1), run(optim.adagrad, {learningRate = 0.1}), 1e-6)
    assert_at(expected('Adadelta', 1), run(optim.adadelta, {}), 1e-6)
    assert_at(expected('RMSprop', 1), run(optim.rmsprop, {learningRate = 0.1}), 1e-6)
    assert_at(expected('Rprop', 1), run(optim.rprop, {stepsize = 0.5}), 1e-6)
    assert_at(expected('Rprop', 2), run(optim.rprop, {stepsize = 0.5, etaminus = 0.3, etaplus = 1.5,
      stepsizemin = 0.4, stepsizemax = 0.7}), 1e-6)
  end)

  it('keep their state in Torch7\'s names', function()
    local names = {adamax = {'t', 'm', 'u'}, adagrad = {'evalCounter', 'paramVariance', 'paramStd'},
      adadelta = {'evalCounter', 'paramVariance', 'paramStd', 'delta', 'accDelta'},
      rmsprop = {'m', 'tmp'}, nag = {'evalCounter', 'dfdx'}, rprop = {'delta', 'stepsize'},
      asgd = {'eta_t', 'mu_t', 't', 'ax'}}
    for method, list in pairs(names) do
      local state, config = {}, {}
      local apart = run(optim[method], {}, state)
      for _, name in ipairs(list) do assert.is_truthy(state[name], method .. ': ' .. name) end
      local together = run(optim[method], config)
      for _, name in ipairs(list) do assert.is_truthy(config[name], method .. ': ' .. name) end
      assert.is_true(torch.equal(apart, together))
      run(optim[method]) -- a config of its own
    end
  end)

  it('go down with defaults', function()
    for _, method in ipairs {'adamax', 'adagrad', 'adadelta', 'rmsprop', 'nag', 'rprop', 'asgd',
      'sgd', 'adam'} do
      local x, config = torch.DoubleTensor{1, -2, 3}, {}
      local function value() return (torch.cmul(torch.cmul(x, x), CURVE) / 2 + x / 2):sum() end
      local before = value()
      for _ = 1, 20 do optim[method](bowl, x, config) end
      assert.is_true(value() < before, method)
    end
  end)

  it('have rates that fall, and weight decay', function()
    local function slope_of_one(x) return 0, x:clone():fill(1) end
    local x = torch.DoubleTensor{1}
    local config = {learningRate = 0.5, learningRateDecay = 1}
    for _ = 1, 2 do optim.adamax(slope_of_one, x, config) end
    near(1 - 0.5 - 0.25, x[1])
    x[1] = 1
    config = {learningRate = 0.5, learningRateDecay = 1, weightDecay = 2}
    optim.adagrad(slope_of_one, x, config) -- the gradient is 3, the step 0.5
    near(0.5, x[1], 1e-8)
    optim.adagrad(slope_of_one, x, config)
    near(0.5 - 0.25 * 2 / math.sqrt(13), x[1], 1e-8)
    x[1] = 1
    optim.rmsprop(slope_of_one, x, {learningRate = 0.5, alpha = 0.5, initialMean = 3, epsilon = 1})
    near(1 - 0.5 / (math.sqrt(2) + 1), x[1])
    x[1] = 1
    optim.adadelta(slope_of_one, x, {rho = 0.5, eps = 0.1, weightDecay = 1})
    near(1 - math.sqrt(0.1) / math.sqrt(2.1) * 2, x[1])
  end)

  it('nag looks ahead', function()
    local x, v, config = torch.DoubleTensor{1}, 0, {learningRate = 0.1, momentum = 0.8,
      learningRateDecay = 0.5, weightDecay = 0.1}
    local y = 1
    for t = 1, 4 do
      optim.nag(function(at) return 0, at * 2 end, x, config)
      if t > 1 then y = y + 0.8 * v end
      local change = -0.1 / (1 + (t - 1) * 0.5) * (2 * y + 0.1 * y)
      v = 0.8 * v + change
      y = y + change
      near(y, x[1])
    end
    fails('momentum must be above 0', optim.nag, bowl, x, {momentum = 0})
    fails('not both', optim.nag, bowl, x, {weightDecay = 1, weightDecays = x})
    local each = {learningRate = 1, learningRates = torch.DoubleTensor{1, 0, 0.5},
      weightDecays = torch.DoubleTensor{0, 0, 1}}
    x = torch.DoubleTensor{1, -2, 3}
    optim.nag(bowl, x, each)
    assert_at({-0.5, -2, 3 - 0.5 * (9.5 + 3)}, x)
  end)

  it('asgd gives the average, too', function()
    local config, x = {eta0 = 0.1, t0 = 1, lambda = 0}, torch.DoubleTensor{8}
    local average, places = nil, {}
    for i = 1, 4 do
      local _, _, mean = optim.asgd(function(at) return 0, at * 5 end, x, config)
      average, places[i] = mean, x[1]
    end
    assert_at({4, 2, 1, 0.5}, places)
    near((1 + 0.5) / 2, average[1])
  end)

  it('rprop makes several steps in one call', function()
    local x = torch.DoubleTensor{1, -2, 3}
    local _, values = optim.rprop(bowl, x, {stepsize = 0.5, niter = 5})
    assert.equal(5, #values)
    assert_at(expected('Rprop', 1), x, 1e-6)
  end)

  it('work where x records gradients', function()
    for _, method in ipairs {'sgd', 'adam', 'adamax', 'adagrad', 'adadelta', 'rmsprop', 'nag',
      'rprop', 'asgd', 'lbfgs', 'cg'} do
      local x = torch.DoubleTensor{1, -2, 3}:requiresGrad(true)
      optim[method](function(at)
        at.grad = nil
        local loss = (torch.cmul(torch.square(at), CURVE) / 2 + at / 2):sum()
        loss:backward()
        return loss:item(), at.grad
      end, x, {})
      assert.is_true(x.is_leaf)
      assert.is_true((x:detach() - torch.DoubleTensor{1, -2, 3}):norm() > 0, method)
    end
  end)
end)

-- ---------------------------------------------------------------------------------------------
-- Methods that search.

describe('Rosenbrock\'s valley is crossed by', function()
  local methods = {
    sgd = {{learningRate = 1e-3}, 20000}, nag = {{learningRate = 1e-3}, 5000},
    adam = {{learningRate = 0.02}, 4000}, adamax = {{learningRate = 0.02}, 8000},
    adagrad = {{learningRate = 0.5}, 10000}, rprop = {{stepsize = 0.01}, 3000},
    rmsprop = {{learningRate = 5e-4}, 10000},
  }
  for method, case in pairs(methods) do
    it(method, function()
      local x, config = start(), case[1]
      for _ = 1, case[2] do optim[method](valley, x, config) end
      assert_at({1, 1}, x, 0.02)
    end)
  end

  it('adadelta, most of the way: its steps do not become small', function()
    local x, config = start(), {}
    for _ = 1, 20000 do optim.adadelta(valley, x, config) end
    assert.is_true((valley(x)) < 1)
  end)

  it('lbfgs, with and without a line search', function()
    local x = start()
    local same, values, evals = optim.lbfgs(valley, x, {maxIter = 100, tolFun = 1e-8, tolX = 1e-12,
      lineSearch = optim.lswolfe})
    assert.is_true(same == x)
    assert_at({1, 1}, x, 1e-5)
    assert.is_true(values[#values] < 1e-9 and values[1] > 24 and evals < 100)
    local quarter = start()
    optim.lbfgs(valley, quarter, {maxIter = 500, maxEval = 1000, learningRate = 0.25,
      nCorrection = 3})
    assert_at({1, 1}, quarter, 1e-3)
  end)

  it('lbfgs, over several calls', function()
    local x, config = start(), {maxIter = 5, lineSearch = optim.lswolfe}
    local state = {}
    for _ = 1, 12 do optim.lbfgs(valley, x, config, state) end
    assert_at({1, 1}, x, 1e-4)
    assert.is_true(state.nIter > 5 and state.funcEval >= state.nIter)
    assert.is_nil(config.nIter)
  end)

  it('LBFGS of parameters, which goes on from its state', function()
    for _, wolfe in ipairs {true, false} do
      local a = torch.DoubleTensor{-1.2}:requiresGrad(true)
      local b = torch.DoubleTensor{{1}}:requiresGrad(true)
      local options = {strong_wolfe = wolfe, lr = wolfe and 1 or 0.25, max_iter = 5}
      local optimizer = optim.LBFGS({a, b}, options)
      local function closure()
        optimizer:zero_grad()
        local gap = b:view(1) - torch.square(a)
        local loss = (torch.square(gap) * 100 + torch.square(1 - a)):sum()
        loss:backward()
        return loss
      end
      local first = optimizer:step(closure)
      near(24.2, first, 1e-6)
      local saved = torch.deserialize(torch.serialize(optimizer:state_dict()))
      optimizer = optim.LBFGS({a, b}, {})
      optimizer:load_state_dict(saved)
      for _ = 1, wolfe and 12 or 100 do optimizer:step(closure) end
      assert_at({1, 1}, {a:detach()[1], b:detach()[1][1]}, 1e-3)
      fails('a function that calculates the loss expected, got nil', optimizer.step, optimizer)
      local other = optim.LBFGS({a})
      fails('of parameters with 1 elements expected, got one with 2', other.load_state_dict, other,
        saved)
    end
  end)

  it('cg', function()
    local x = start()
    local same, values, evals = optim.cg(valley, x, {maxIter = 100, maxEval = 500})
    assert.is_true(same == x)
    assert_at({1, 1}, x, 1e-4)
    assert.is_true(values[#values] < 1e-8 and evals <= 500)
    for i = 2, #values do assert.is_true(values[i] <= values[i - 1]) end
  end)

  it('cmaes', function()
    torch.manualSeed(1)
    local x = start()
    local same, values, evals = optim.cmaes(valley, x, {sigma = 0.5, maxEval = 3000,
      ftarget = 1e-10})
    assert.is_true(same == x)
    assert_at({1, 1}, x, 1e-4)
    assert.is_true(evals < 2000 and values[#values] <= 1e-10)
  end)

  it('de', function()
    torch.manualSeed(1)
    local x = torch.Tensor(2)
    local same, values = optim.de(function(at) return (valley(at:double())) end, x,
      {maxFEs = 6000, minRegion = -5, maxRegion = 5})
    assert.is_true(same == x)
    assert_at({1, 1}, x, 1e-2)
    assert.is_true(values[1] < 1e-4)
  end)
end)

describe('line search', function()
  it('by lswolfe fulfils both conditions', function()
    for _, t in ipairs {1e-3, 0.1, 1, 50} do
      local x = start()
      local f, g = valley(x)
      local d = g * -1
      local slope = g:dot(d)
      local value, gradient, place, step, evals = optim.lswolfe(valley, x, t, d, f, g, slope, {})
      assert.is_true(place == x)
      assert_at((start() + d * step):totable(), x)
      assert.is_true(value <= f + 1e-4 * step * slope and evals <= 25)
      assert.is_true(math.abs(gradient:dot(d)) <= 0.9 * -slope)
      near(value, (valley(x)))
    end
  end)

  it('by polyinterp finds the minimum of a polynomial', function()
    local nan = 0 / 0
    -- (x - 2)^2 + 1, of two points with slopes; of three values; of two values and one slope.
    near(2, optim.polyinterp(torch.DoubleTensor{{0, 5, -4}, {3, 2, 2}}))
    near(2, optim.polyinterp{{0, 5, nan}, {1, 2, nan}, {3, 2, nan}}, 1e-6)
    near(2, optim.polyinterp{{0, 5, -4}, {3, 2, nan}}, 1e-6)
    near(3, optim.polyinterp({{0, 5, -4}, {1, 2, -2}}, 3, 9))
    -- x^3 - 3 x has its minimum at 1; x^4 - 2 x^2 has two.
    near(1, optim.polyinterp{{0, 0, -3}, {2, 2, 9}}, 1e-6)
    near(1, optim.polyinterp{{0.1, 1e-4 - 0.02, 0.004 - 0.4}, {2, 8, 24}, {0.5, 0.0625 - 0.5, nan}},
      1e-6)
    fails('two points', optim.polyinterp, {{1, 2, 3}})
  end)
end)

describe('optim.checkgrad', function()
  it('tells right from wrong gradients', function()
    local difference, gradient, estimate = optim.checkgrad(valley, start())
    assert.is_true(difference < 1e-6)
    assert_at(gradient:totable(), estimate, 1e-4)
    local x = torch.DoubleTensor{{1, 2}, {3, 4}}
    assert.is_true(optim.checkgrad(function(at) return torch.square(at):sum(), at * 3 end, x) > 0.1)
    assert.are.same({{1, 2}, {3, 4}}, x:totable())
  end)
end)

describe('optim.FistaLS', function()
  -- Least squares with an absolute penalty on an orthogonal basis: each value shrinks.
  local wanted, target = {2.5, 0, -0.5, 0}, torch.DoubleTensor{3, 0.2, -1, -0.4}
  local function smooth(x, mode)
    local gap = x - target
    return gap:dot(gap) / 2, mode == 'dx' and gap or nil
  end
  local function penalty(x) return 0.5 * x:clone():abs():sum() end
  local function shrink(x, L)
    x:copy(torch.cmul(x:clone():sign(), (x:clone():abs() - 0.5 / L):cmax(0)))
  end

  it('finds sparse solutions', function()
    for _, update in ipairs {true, false} do
      local x = torch.DoubleTensor(4):zero()
      local same, history = optim.FistaLS(smooth, penalty, shrink, x, {errthres = 1e-12,
        maxiter = 200, doFistaUpdate = update})
      assert.is_true(same == x)
      assert_at(wanted, x, 1e-4)
      local last = history[#history]
      near(penalty(x) + smooth(x), last.F)
      assert.is_true(last.L >= 1 / 1.5 and history[1].nline > 1)
    end
  end)
end)

-- ---------------------------------------------------------------------------------------------

describe('gradients', function()
  local function leaves()
    local a = torch.Tensor{1, 1}:requiresGrad(true)
    local b = torch.Tensor{1}:requiresGrad(true)
    local lone = torch.Tensor{1}:requiresGrad(true)
    a.grad, b.grad = torch.Tensor{3, 0}, torch.Tensor{-4}
    return a, b, lone
  end

  it('are scaled to a norm', function()
    local a, b, lone = leaves()
    near(5, optim.clip_grad_norm_({a, b, lone}, 10), 1e-5)
    assert.are.same({3, 0}, a.grad:totable())
    near(5, optim.clip_grad_norm_({a, b, lone}, 1), 1e-5)
    assert_at({0.6, 0}, a.grad, 1e-5)
    assert_at({-0.8}, b.grad, 1e-5)
    near(1.4, optim.clip_grad_norm_({a, b}, 0.7, 1), 1e-5)
    near(0.4, optim.clip_grad_norm_({a, b}, 0.2, math.huge), 1e-5)
    assert_at({-0.2}, b.grad, 1e-5)
    assert.equal(0, optim.clip_grad_norm_({}, 1))
  end)

  it('are cut off at a value', function()
    local a, b, lone = leaves()
    optim.clip_grad_value_({a, b, lone}, 2)
    assert.are.same({2, 0}, a.grad:totable())
    assert.are.same({-2}, b.grad:totable())
    optim.clip_grad_value_(b, 1)
    assert.are.same({-1}, b.grad:totable())
  end)

  it('of a model, too', function()
    local nn = require 'nn'
    local model = nn.Linear(2, 2)
    model.gradWeight:fill(10)
    near(20, optim.clip_grad_norm_(model, 1), 1e-5)
    near(1, optim.clip_grad_norm_(model:parameters(), 1), 1e-5)
    fails('a limit of 0 or more expected, got -1', optim.clip_grad_norm_, model, -1)
    fails('parameter 1 is no tensor', optim.clip_grad_value_, {3}, 1)
    fails('a list of parameters expected', optim.clip_grad_value_, 'x', 1)
  end)
end)

describe('schedules', function()
  local function rates(schedule, count)
    local list = {}
    for i = 1, count do
      list[i] = schedule:get_lr()
      schedule:step()
    end
    return list
  end
  local function config() return {learningRate = 2} end

  it('may be any function', function()
    local schedule = optim.LambdaLR(config(), function(t) return 1 / (t + 1) end)
    assert_at({2, 1, 2 / 3, 0.5}, rates(schedule, 4))
  end)

  it('warm up', function()
    local schedule = optim.WarmupCosineLR(config(), {warmup_steps = 2, total_steps = 6,
      min_factor = 0.1})
    local half = 0.1 + 0.9 / 2
    assert_at({1, 2, 2, 2 * (0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2), 2 * half,
      2 * (0.1 + 0.9 * (1 - math.sqrt(0.5)) / 2), 0.2, 0.2}, rates(schedule, 8))
    fails('total_steps must be above warmup_steps', function()
      return (optim.WarmupCosineLR(config(), {warmup_steps = 2, total_steps = 2}))
    end)
  end)

  it('follow each other', function()
    local target = config()
    local schedule = optim.SequentialLR({optim.LinearLR(target, {total_iters = 2,
      start_factor = 0.5}), optim.ExponentialLR(target, {gamma = 0.1})}, {3})
    assert_at({1, 1.5, 2, 2, 0.2, 0.02}, rates(schedule, 6))
    local saved = torch.deserialize(torch.serialize(schedule:state_dict()))
    schedule:load_state_dict(saved)
    schedule:step()
    near(0.0002, target.learningRate)
  end)

  it('say what is wrong', function()
    fails("no option 'gama'; there are gamma, step_size", function()
      return (optim.StepLR(config(), {gama = 1}))
    end)
    fails('option step_size, a number, is missing', function() return (optim.StepLR(config())) end)
    fails('option step_size must be a number, got table', function()
      return (optim.StepLR(config(), {step_size = {}}))
    end)
    fails('an optimizer, or a config with its learningRate, expected, got table', function()
      return (optim.StepLR({}, {step_size = 1}))
    end)
    fails("anneal_strategy is 'cos' or 'linear', got 'x'", function()
      return (optim.OneCycleLR(config(), {max_lr = 1, total_steps = 9, anneal_strategy = 'x'}))
    end)
    fails('step: a number expected, got nil', function()
      optim.ReduceLROnPlateau(config()):step()
    end)
  end)
end)

-- ---------------------------------------------------------------------------------------------

describe('optim.ConfusionMatrix', function()
  it('counts classes, scores and batches', function()
    local m = optim.ConfusionMatrix(3)
    m:add(1, 1)
    m:add(torch.Tensor{0.1, 0.7, 0.2}, 1)
    m:add(torch.Tensor{0.1, 0.7, 0.2}, torch.Tensor{0, 1, 0})
    m:batchAdd(torch.Tensor{{1, 0, 0}, {0, 0, 1}}, torch.LongTensor{1, 3})
    m:batchAdd(torch.LongTensor{1, 3}, torch.Tensor{{1, 0, 0}, {0, 1, 0}})
    assert.equal('torch.LongTensor', m.mat:type())
    assert.are.same({{3, 1, 0}, {0, 1, 1}, {0, 0, 1}}, m.mat:totable())
    m:updateValids()
    near(5 / 7, m.totalValid)
    assert_at({0.75, 0.5, 1}, m.valids)
    assert_at({3 / 4, 1 / 3, 1 / 2}, m.unionvalids, 1e-6)
    near(0.75, m.averageValid)
    near((3 / 4 + 1 / 3 + 1 / 2) / 3, m.averageUnionValid, 1e-6)
    local rejected, accepted, mean_rejected, mean_accepted = m:farFrr()
    assert_at({0.25, 0.5, 0}, rejected)
    assert_at({0, 0.2, 1 / 6}, accepted)
    near(0.25, mean_rejected)
    near((0.2 + 1 / 6) / 3, mean_accepted)
    m:zero()
    assert.equal(0, m.mat:sum())
    m:updateValids()
    assert.equal(0, m.totalValid)
  end)

  it('prints as in Torch7', function()
    local m = optim.ConfusionMatrix{'cat', 'dog'}
    assert.equal(2, m.nclasses)
    m:batchAdd(torch.LongTensor{1, 1, 2, 2}, torch.LongTensor{1, 2, 2, 2})
    local text = tostring(m)
    for _, part in ipairs {'ConfusionMatrix:\n[[       1       0]   100.000% \t[class: cat]\n',
      ' [       1       2]]  66.667% \t[class: dog]\n', ' + average row correct: 83.3',
      ' + average rowUcol correct (VOC measure): 58.3', ' + global correct: 75'} do
      assert.is_truthy(text:find(part, 1, true), text)
    end
  end)

  it('makes a picture', function()
    local m = optim.ConfusionMatrix(2)
    m:batchAdd(torch.LongTensor{1, 1, 2, 2}, torch.LongTensor{1, 2, 2, 2})
    local image = m:render('occurrence', false, 4)
    assert.are.same({3, 8, 8}, image:size():totable())
    near(2 / 3, image[2][1][1], 1e-6)
    near(1 / 3, image[1][1][8], 1e-6)
    near(1, image[2][8][8])
  end)

  it('says what is wrong', function()
    local m = optim.ConfusionMatrix(2)
    fails('prediction 3 is out of range: there are classes 1 to 2', m.add, m, 3, 1)
    fails('target 0 is out of range', m.add, m, 1, 0)
    fails('3 scores for 2 classes', m.add, m, torch.rand(3), 1)
    fails('2 predictions for 1 targets', m.batchAdd, m, torch.LongTensor{1, 2}, torch.LongTensor{1})
    fails('targets 5 is out of range', m.batchAdd, m, torch.LongTensor{1}, torch.LongTensor{5})
    fails('predictions: a tensor expected, got number', m.batchAdd, m, 1, 1)
    fails('the number of classes', function() return (optim.ConfusionMatrix()) end)
    fails('1 names for 2 classes', function() return (optim.ConfusionMatrix(2, {'a'})) end)
    local copy = torch.deserialize(torch.serialize(m))
    copy:add(1, 1)
    assert.equal(1, copy.mat[1][1])
  end)
end)

describe('optim.Logger', function()
  local function lines_of(path)
    local lines = {}
    for line in io.lines(path) do lines[#lines + 1] = line end
    return lines
  end

  it('writes columns', function()
    local path = os.tmpname()
    local logger = optim.Logger(path)
    logger:setNames{'training', 'test'}:add{0.5, 12}:add{-1e-7, 'none'}:add{test = 2, training = 1}
    assert.are.same({'training\ttest\t', ' 5.0000e-01\t 1.2000e+01\t', '-1.0000e-07\tnone\t',
      ' 1.0000e+00\t 2.0000e+00\t'}, lines_of(path))
    assert.are.same({0.5, -1e-7, 1}, logger.symbols[1])
    fails("no column is called 'loss'", logger.add, logger, {loss = 1})
    fails('column 2: a number or a string expected, got nil', logger.add, logger, {1})
    fails('a table expected, got number', logger.add, logger, 1)
    logger:style{'-', '+'}:style('-')
    logger:setlogscale()
    logger:display(false)
    os.remove(path)
  end)

  it('gets along without names, and with a table by names', function()
    local path = os.tmpname()
    optim.Logger(path):add{1, 2}
    assert.are.same({'1\t2\t', ' 1.0000e+00\t 2.0000e+00\t'}, lines_of(path))
    optim.Logger(path):add{b = 2, a = torch.ones(1)}
    assert.are.same({'a\tb\t', ' 1.0000e+00\t 2.0000e+00\t'}, lines_of(path))
    os.remove(path)
    local logger = optim.Logger(path, true)
    assert.is_truthy(logger.file)
    assert.is_truthy(logger.filename:find(path .. '%-%d%d%d%d_%d%d_%d%d_%d%d'))
    os.remove(logger.filename)
    fails('cannot write', function() return (optim.Logger('/no/such/folder/log')) end)
  end)
end)
