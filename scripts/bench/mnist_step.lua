-- A training step of the main job: the 784-128-10 network, Adam 1e-3, cross entropy. The other
-- side is mnist_step.py.
--
--   moonlet scripts/bench/mnist_step.lua seconds batch...
--
-- Prints `batch best median`, microseconds per step over epochs of 9000 examples.
local torch, nn, optim = require('torch'), require('nn'), require('optim')
local here = arg[0]:match('^(.*/)') or './'
local clock = dofile(here .. 'clock.lua')

local EXAMPLES = 9000

local function trainer(batch)
  torch.manualSeed(1)
  local x = torch.rand(EXAMPLES, 784)
  local y = torch.rand(EXAMPLES):mul(10):floor():add(1):long()
  local model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
  local criterion = nn.CrossEntropyCriterion()
  local optimizer = optim.Adam(model:parameters(), { lr = 1e-3 })

  return function()
    local steps = math.floor(EXAMPLES / batch)
    for i = 1, steps do
      local range = { (i - 1) * batch + 1, i * batch }
      local loss = criterion(model(x[{ range, {} }]), y[{ range }])
      optimizer:zero_grad()
      loss:backward()
      optimizer:step()
    end
    return steps
  end
end

local seconds = tonumber(arg[1]) or 1
for i = 2, #arg do
  local epoch = trainer(tonumber(arg[i]))
  epoch()
  local best, median = clock.measure(function()
    local start = clock.now()
    local steps = epoch()
    return (clock.now() - start) / steps * 1e6
  end, seconds, 3)
  print(('%s %.2f %.2f'):format(arg[i], best, median))
end
