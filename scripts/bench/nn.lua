-- Training steps of networks, and what they cost in use on one example: the other side is nn.py.
--
--   moonlet scripts/bench/nn.lua seconds case...     `case_train: best median`, ms; the same of
--                                                    `case_use`, and frozen of `case_frozen`
--   moonlet scripts/bench/nn.lua memory case         a few steps, for whoever measures the memory
--
-- A step is forward, loss, backward and the optimizer's. A case whose network is not there prints
-- nothing.
local torch, nn, optim = require('torch'), require('nn'), require('optim')
local here = arg[0]:match('^(.*/)') or './'
local clock = dofile(here .. 'clock.lua')

local MEMORY_STEPS = 5

local function classes(count, ...)
  return torch.rand(...):mul(count):floor():add(1):long()
end

local function images(make, batch, channels, size)
  return function()
    local model, criterion = make(), nn.CrossEntropyCriterion()
    local x, y = torch.randn(batch, channels, size, size), classes(10, batch)
    return {
      model = model,
      optimizer = optim.SGD(model:parameters(), { lr = 1e-3, momentum = 0.9 }),
      loss = function() return criterion(model(x), y) end,
      one = x:narrow(1, 1, 1):clone(),
    }
  end
end

local function text(make, batch, time)
  return function()
    local model = make()
    local x, y = classes(65, batch, time), classes(65, batch, time)
    return {
      model = model,
      optimizer = optim.Adam(model:parameters(), { lr = 1e-3 }),
      loss = function() return model:loss(x, y) end,
      one = x:narrow(1, 1, 1):clone(),
    }
  end
end

local function resnet(options)
  return function() return nn.ResNet(options) end
end

local CASES = {
  lenet = images(function() return nn.LeNet() end, 64, 1, 28),
  resnet18_32 = images(resnet { depth = 18, classes = 10, small_images = true }, 16, 3, 32),
  resnet18_224 = images(resnet { depth = 18, classes = 10 }, 4, 3, 224),
  lstm = text(function()
    return nn.CharLSTM { vocabulary = 65, width = 128, layers = 2 }
  end, 50, 50),
  gpt = text(function()
    return nn.GPT { vocabulary = 65, context = 128, layers = 4, heads = 4, width = 128 }
  end, 16, 128),
}

local function step(case)
  local loss = case.loss()
  case.optimizer:zero_grad()
  loss:backward()
  case.optimizer:step()
end

local function measure(what, seconds, f)
  f()
  local best, median = clock.measure(function()
    local start = clock.now()
    f()
    return (clock.now() - start) * 1e3
  end, seconds, 3)
  print(('%s: %.4f %.4f'):format(what, best, median))
end

local function run(name, seconds)
  torch.manualSeed(1)
  local made, case = pcall(CASES[name])
  if not made then
    io.stderr:write(name, ': ', tostring(case), '\n')
    return
  end
  if not seconds then
    for _ = 1, MEMORY_STEPS do step(case) end
    return
  end
  measure(name .. '_train', seconds, function() step(case) end)
  local model, one = case.model, case.one
  model:evaluate()
  measure(name .. '_use', seconds, function() torch.no_grad(function() return model(one) end) end)
  local frozen = model:freeze(one)
  measure(name .. '_frozen', seconds, function() frozen(one) end)
end

for i = 2, #arg do run(arg[i], tonumber(arg[1])) end
