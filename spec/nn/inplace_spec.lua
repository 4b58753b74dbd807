-- Modules that write over their input, alone and among others, in both protocols.
local torch, nn = require 'torch', require 'nn'

local function near(wanted, got)
  assert.is_true(wanted:isSameSizeAs(got))
  assert.is_true((wanted:detach() - got:detach()):abs():max() < 1e-12)
end

local function randn(...) return torch.randn(...):double() end

local function used(module)
  module:evaluate()
  return module
end

-- {name, what makes the module}: with true, in place.
local LAYERS = {
  {'ReLU', function(inplace) return nn.ReLU(inplace) end},
  {'ReLU6', function(inplace) return nn.ReLU6(inplace) end},
  {'Threshold', function(inplace) return nn.Threshold(0.3, 0.7, inplace) end},
  {'LeakyReLU', function(inplace) return nn.LeakyReLU(0.1, inplace) end},
  {'RReLU', function(inplace) return used(nn.RReLU(1 / 8, 1 / 3, inplace)) end},
  {'ELU', function(inplace) return nn.ELU(0.5, inplace) end},
  {'HardTanh', function(inplace) return nn.HardTanh(-0.5, 0.7, inplace) end},
  {'AddConstant', function(inplace) return nn.AddConstant(2, inplace) end},
  {'MulConstant', function(inplace) return nn.MulConstant(-3, inplace) end},
  {'Dropout, used', function(inplace) return used(nn.Dropout(0.5, true, inplace)) end},
}

for _, layer in ipairs(LAYERS) do
  describe('nn, in place: ' .. layer[1], function()
    local name, make = layer[1], layer[2]

    it('writes over its input, with the same result and gradient', function()
      local x, dy = randn(4, 5), randn(4, 5)
      local plain, module = make(false):double(), make(true):double()
      local y, d = plain:forward(x), plain:backward(x, dy)
      local written = x:clone()
      near(y, module:forward(written))
      near(y, written)
      near(d, module:backward(written, dy))
      assert.is_true(module.output:isSetTo(written), name)
    end)

    it('has the right gradient behind what needs its result, and before it', function()
      for _, first in ipairs {nn.Identity(), nn.Tanh(), nn.Linear(5, 5), nn.View(20)} do
        local function model(inplace)
          return nn.Sequential(first:clone(), make(inplace), nn.Square()):double()
        end
        local x, dy = randn(4, 5), randn(4, 5)
        local plain, module = model(false), model(true)
        if module:get(1).weight then
          module:get(1).weight:copy(plain:get(1).weight:detach())
          module:get(1).bias:copy(plain:get(1).bias:detach())
        end
        local y = plain:forward(x:clone())
        dy = dy:viewAs(y)
        local d, input = plain:backward(x, dy), x:clone()
        near(y, module:forward(input))
        near(d, module:backward(input, dy))
        if module:get(1).weight then
          near(plain:get(1).gradWeight, module:get(1).gradWeight)
        end
      end
    end)

    it('has it in model(x), where a leaf stays as it is', function()
      local x = randn(4, 5):requiresGrad()
      local kept, module, plain = x:detach():clone(), make(true):double(), make(false):double()
      local y = module(x)
      near(kept, x)
      y:sum():backward()
      local d = x.grad:clone()
      x.grad = nil
      plain(x):sum():backward()
      near(x.grad, d)
      -- What is no leaf is written to, and whoever has it sees the new value and its history.
      x.grad = nil
      local between = x * 2
      near(module(between), between)
      torch.cmul(between, between):sum():backward()
      d, x.grad = x.grad, nil
      local other = plain(x * 2)
      torch.cmul(other, other):sum():backward()
      near(x.grad, d)
    end)
  end)
end

describe('nn, in place:', function()
  it('Dropout drops in its input, as its noise tells', function()
    local x, dy = torch.ones(1000), torch.ones(1000)
    local module = nn.Dropout(0.25, false, true)
    local y = module:forward(x)
    assert.is_true(y:isSetTo(x))
    near(module.noise, x)
    assert.is_true(math.abs(x:mean() - 1) < 0.1)
    near(module.noise, module:backward(x, dy))
  end)

  it('RReLU and Dropout in training go with their gradients', function()
    for _, module in ipairs {nn.RReLU(0.2, 0.3, true), nn.Dropout(0.5, false, true)} do
      local x = randn(50)
      local before = x:clone()
      local model = nn.Sequential(nn.MulConstant(1), module):double()
      local y = model:forward(x):clone()
      near(y, torch.cmul(model:backward(x, torch.ones(50):double()), before))
    end
  end)

  it('CAddTable writes over the first tensor', function()
    local a, b, dy = randn(3), randn(3), randn(3)
    local sum, module = a + b, nn.CAddTable(true)
    near(sum, module:forward {a, b})
    near(sum, a)
    near(dy, module:backward({a, b}, dy)[2])
    near(dy, module.gradInput[1])
    local function block(inplace)
      local model = nn.Sequential(nn.Linear(3, 3),
        nn.ConcatTable():add(nn.Sequential(nn.Tanh(), nn.Linear(3, 3))):add(nn.Identity()),
        nn.CAddTable(inplace), nn.ReLU(inplace))
      return model:double()
    end
    local plain, module2 = block(false), block(true)
    for i, parameter in ipairs((module2:parameters())) do
      parameter:copy((plain:parameters())[i]:detach())
    end
    local x = randn(2, 3)
    near(plain:forward(x), module2:forward(x:clone()))
    near(plain:backward(x, x), module2:backward(x, x))
    local _, wanted = plain:getParameters()
    local _, got = module2:getParameters()
    near(wanted, got)
  end)

  it('a tensor of two branches gets the history of what was written', function()
    local function model(inplace)
      return nn.Sequential(nn.MulConstant(2),
        nn.ConcatTable():add(nn.ReLU(inplace)):add(nn.Square()), nn.CAddTable())
    end
    local x = torch.Tensor {-1, 2}
    local module = model(true)
    assert.are.same({0, 4 + 16}, module:forward(x:clone()):totable()) -- as Torch7: 0 squared is 0
    assert.are.same({0, 2 + 2 * 2 * 4}, module:backward(x, torch.ones(2)):totable())
    -- Through containers and what passes its input on, and where the branches begin.
    local nested = nn.Sequential(
      nn.ConcatTable():add(nn.Sequential(nn.Identity(), nn.ReLU(true))):add(nn.Square()),
      nn.CAddTable())
    assert.are.same({0, 2 + 4}, nested:forward(x:clone()):totable())
    assert.are.same({0, 1 + 4}, nested:backward(x:clone(), torch.ones(2)):totable())
    local again = nn.Sequential(nn.MulConstant(2), nested)
    assert.are.same({0, 4 + 16}, again:forward(x:clone()):totable())
    assert.are.same({0, 2 + 2 * 2 * 4}, again:backward(x:clone(), torch.ones(2)):totable())
  end)

  it('views and expanded tensors stay as they are', function()
    local x = randn(2, 3):requiresGrad()
    local view = (x * 1):t()
    local before = view:detach():clone()
    near(torch.relu(before), nn.ReLU(true)(view))
    near(before, view)
    local wide = torch.Tensor {-1}:expand(3)
    assert.are.same({0, 0, 0}, nn.ReLU(true):forward(wide):totable())
    assert.are.same({-1, -1, -1}, wide:totable())
    local bytes = torch.ByteTensor {1, 2}
    assert.are.same({1, 2}, nn.ReLU(true):forward(bytes):totable())
  end)
end)

describe('nn.Jacobian', function()
  it('leaves the input of what writes over it as it is', function()
    for _, layer in ipairs(LAYERS) do
      local model = nn.Sequential(layer[2](true), nn.Linear(3, 2)):double()
      local x = randn(2, 3)
      assert.is_true(nn.Jacobian.testJacobian(model, x) < 1e-6, layer[1])
      assert.is_true(nn.Jacobian.testJacobianParameters(model, x, model:get(2).weight,
        model:get(2).gradWeight) < 1e-6, layer[1])
    end
  end)
end)
