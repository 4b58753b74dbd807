--- Trains a module with single examples and plain gradient descent, as Torch7's.
local torch = require 'torch'

local StochasticGradient = torch.class('nn.StochasticGradient')

function StochasticGradient:__init(module, criterion)
  self.learningRate = 0.01
  self.learningRateDecay = 0
  self.maxIteration = 25 -- 0: until the criterion's value is 0, or the program is stopped
  self.shuffleIndices = true
  self.module = module
  self.criterion = criterion
  self.verbose = true
end

-- One example; returns its loss.
local function step(self, input, target, rate)
  local module, criterion = self.module, self.criterion
  local loss = criterion:forward(module:forward(input), target)
  local dy = criterion:updateGradInput(module.output, target)
  module:zeroGradParameters()
  module:backward(input, dy)
  module:updateParameters(rate)
  return loss
end

local function order_of(self, count)
  return self.shuffleIndices and torch.randperm(count, 'torch.LongTensor')
    or torch.range(1, count):to('int64')
end

--- dataset:size() examples, dataset[i] = {input, target}. The fields hookExample(self, example) and
-- hookIteration(self, iteration, mean loss), if set, are called after each of these.
function StochasticGradient:train(dataset)
  local count, iteration = dataset:size(), 1
  if type(count) ~= 'number' or count < 1 then
    error(('StochasticGradient: a data set of at least one example expected, got %s'):format(
      tostring(count)), 2)
  end
  local rate, order = self.learningRate, order_of(self, count)
  local function say(text) if self.verbose then print('# ' .. text) end end
  say('StochasticGradient: training')
  while true do
    local total = 0
    for t = 1, count do
      local example = dataset[order[t]]
      total = total + step(self, example[1], example[2], rate)
      if self.hookExample then self.hookExample(self, example) end
    end
    local mean = total / count
    say('current error = ' .. mean)
    if self.hookIteration then self.hookIteration(self, iteration, mean) end
    iteration = iteration + 1
    rate = self.learningRate / (1 + iteration * self.learningRateDecay)
    if self.maxIteration > 0 and iteration > self.maxIteration then
      say('StochasticGradient: you have reached the maximum number of iterations')
      say('training error = ' .. mean)
      return mean
    end
  end
end
