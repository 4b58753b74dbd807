-- Optimizers and schedules against PyTorch, whose numbers spec/golden/optim.py wrote.
local torch, optim = require 'torch', require 'optim'

local golden = dofile('spec/golden/optim.lua')
local START, CURVE = {1, -2, 3}, torch.DoubleTensor{1, 2, 3}

local function assert_numbers(expected, got)
  for i, value in ipairs(expected) do
    assert.is_true(math.abs(got[i] - value) < 1e-7, ('%d: %.9g, not %.9g'):format(i, got[i], value))
  end
end

local function loss_of(x)
  return (torch.cmul(torch.cmul(x, x), CURVE) * 0.5 + x * 0.5):sum()
end

local function run(x, optimizer, steps)
  for _ = 1, steps do
    optimizer:zero_grad()
    loss_of(x):backward()
    optimizer:step()
  end
end

for k, case in ipairs(golden.optimizers) do
  local name, options, expected = case[1], case[2], case[3]
  describe(('optim.%s (%d)'):format(name, k), function()
    it('steps as PyTorch does', function()
      local x = torch.DoubleTensor(START):requiresGrad(true)
      run(x, optim[name]({x}, options), 5)
      assert_numbers(expected, x:detach())
    end)

    it('takes parameters with strides', function()
      local x = torch.zeros(3, 2):double():select(2, 1):copy(torch.DoubleTensor(START))
      x.requires_grad = true
      run(x, optim[name]({x}, options), 5)
      assert_numbers(expected, x:detach())
    end)

    it('goes on from its state, and leaves gradients as they are', function()
      local x = torch.DoubleTensor(START):requiresGrad(true)
      local optimizer = optim[name]({x}, options)
      run(x, optimizer, 2)
      local saved = torch.deserialize(torch.serialize(optimizer:state_dict()))
      optimizer = optim[name]({x}, {lr = 5})
      optimizer:load_state_dict(saved)
      run(x, optimizer, 2)
      x.grad:zero()
      loss_of(x):backward()
      local gradient = x.grad:clone()
      optimizer:step()
      assert.is_true(torch.equal(gradient, x.grad))
      assert_numbers(expected, x:detach())
    end)
  end)
end

local function adam(rate)
  return optim.Adam({torch.zeros(1):requiresGrad(true)}, {lr = rate or 1})
end

for k, case in ipairs(golden.schedules) do
  local name, options, rates, momenta = case[1], case[2], case[3], case[4]
  describe(('optim.%s (%d)'):format(name, k), function()
    it('has PyTorch\'s rates', function()
      local optimizer = adam()
      local schedule = optim[name](optimizer, options)
      for i, rate in ipairs(rates) do
        assert_numbers({rate, momenta[i]}, {optimizer.options.lr, optimizer.options.betas[1]})
        assert.equal(optimizer.options.lr, schedule:get_lr())
        schedule:step()
      end
    end)

    it('goes on from its state, and sets the rate of a functional method', function()
      local config = {learningRate = 1}
      local schedule = optim[name](config, options)
      for i, rate in ipairs(rates) do
        assert_numbers({rate}, {config.learningRate})
        schedule:step()
        if i == 3 then
          local saved = torch.deserialize(torch.serialize(schedule:state_dict()))
          config = {learningRate = config.learningRate}
          schedule = optim[name](config, options)
          schedule:load_state_dict(saved)
          schedule:apply()
        end
      end
    end)
  end)
end

for k, case in ipairs(golden.plateaus) do
  it(('optim.ReduceLROnPlateau (%d) has PyTorch\'s rates'):format(k), function()
    local optimizer = adam()
    local schedule = optim.ReduceLROnPlateau(optimizer, case[1])
    for i, value in ipairs(golden.measures) do
      schedule:step(i % 2 == 0 and value or torch.tensor(value, 'float64'))
      assert_numbers({case[2][i]}, {optimizer.options.lr})
    end
  end)
end
