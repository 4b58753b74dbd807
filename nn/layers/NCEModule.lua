--- Noise-contrastive estimation: in training only the class that is right and k classes drawn at
-- random are computed, for nn.NCECriterion; in use the probabilities of all. Mnih and Teh 2012.
local torch = require 'torch'
require 'nn.Module'

local NCEModule = torch.class('nn.NCEModule', 'nn.Module')

--- inputSize, outputSize: features and classes. k: how many classes are drawn for a batch.
-- unigrams: how frequent each class is (any scale), all alike by default. Z: what exp(W x + b) is
-- divided by; by default the mean of its sums over the first batch.
function NCEModule:__init(inputSize, outputSize, k, unigrams, Z)
  self:parameter('weight', outputSize, inputSize)
  self:parameter('bias', outputSize)
  self.k = k or 1
  self.unigrams = unigrams and unigrams:clone():typeAs(self.weight)
    or torch.Tensor(outputSize):fill(1)
  if self.unigrams:nElement() ~= outputSize then
    error(('nn.NCEModule: %d unigrams expected, got %d'):format(outputSize,
      self.unigrams:nElement()), 3)
  end
  self.unigrams:div(self.unigrams:sum())
  self.Z = torch.Tensor{Z or -1}
  self.logsoftmax = false -- in use: logarithms of the probabilities
  self.train = true
  self:reset()
end

--- Weights that make no class likely: within 1 / sqrt(inputSize), biases -log(outputSize).
function NCEModule:reset(stdv)
  stdv = stdv and stdv * math.sqrt(3) or 1 / math.sqrt(self.weight:size(2))
  self.weight:uniform(-stdv, stdv)
  self.bias:fill(-math.log(self.bias:size(1)))
end

local function check(self, input)
  local x, target = input[1], input[2]
  if not torch.isTensor(x) or x:dim() ~= 2 then
    error('a table {input (batch, feature), target (batch)} expected', 0)
  end
  if x:size(2) ~= self.weight:size(2) then
    error(('input has %d features, expected %d'):format(x:size(2), self.weight:size(2)), 0)
  end
  if not torch.isTensor(target) or target:nElement() ~= x:size(1) then
    error(('%d targets expected, one for each example'):format(x:size(1)), 0)
  end
  return x, target:view(-1):long()
end

-- W x + b of these classes.
local function sums(self, x, classes)
  return torch.linear(x, torch.index(self.weight, 1, classes), torch.index(self.bias, 1, classes))
end

local function constant(self, x)
  if self.Z[1] <= 0 then
    torch.no_grad(function()
      self.Z[1] = torch.exp(torch.linear(x:detach(), self.weight, self.bias)):sum() / x:size(1)
    end)
  end
  return self.Z[1]
end

--- input: {x (batch, inputSize), target (batch)}. In training gives {probabilities of the targets
-- (batch), of the classes drawn (batch, k), and how frequent both are, in the same sizes}; in use
-- probabilities (batch, outputSize).
function NCEModule:updateOutput(input)
  if self.train == false then
    local x = torch.isTensor(input) and input or input[1]
    local all = torch.linear(x, self.weight, self.bias)
    return self.logsoftmax and torch.log_softmax(all, 2) or torch.softmax(all, 2)
  end
  local x, target = check(self, input)
  local count = x:size(1)
  self.noise = torch.multinomial(self.unigrams, self.k, true)
  local own = torch.cmul(x, torch.index(self.weight, 1, target)):sum(2):reshape(count)
    + torch.index(self.bias, 1, target)
  local z = constant(self, x)
  local frequent = self.unigrams:index(1, self.noise):view(1, self.k):expand(count, self.k)
  return {torch.exp(own) / z, torch.exp(sums(self, x, self.noise)) / z,
    self.unigrams:index(1, target), frequent}
end

function NCEModule:__tostring__()
  return ('%s(%d -> %d)'):format(torch.type(self), self.weight:size(2), self.weight:size(1))
end
