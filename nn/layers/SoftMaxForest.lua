--- A mixture of SoftMaxTrees: a gater looks at the input and weights them. Gives log-probabilities.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
require 'nn.Container'

local SoftMaxForest, Container = torch.class('nn.SoftMaxForest', 'nn.Container')

--- trees: a list of hierarchies; rootIds: of their roots, all -1 by default. gaterSize: sizes of
-- the gater's hidden layers, none by default; gaterAct: their transfer function, nn.Tanh() by
-- default.
function SoftMaxForest:__init(inputSize, trees, rootIds, gaterSize, gaterAct, accUpdate)
  Container.__init(self)
  if type(trees) ~= 'table' or #trees == 0 then
    error('nn.SoftMaxForest: a list of hierarchies expected', 3)
  end
  self.gater = nn.Sequential()
  local size = inputSize
  for _, hidden in ipairs(gaterSize or {}) do
    self.gater:add(nn.Linear(size, hidden)):add((gaterAct or nn.Tanh()):clone())
    size = hidden
  end
  self.gater:add(nn.Linear(size, #trees)):add(nn.LogSoftMax())
  self:add(self.gater)
  self.smts = {}
  for i, tree in ipairs(trees) do
    self.smts[i] = nn.SoftMaxTree(inputSize, tree, rootIds and rootIds[i], accUpdate)
    self:add(self.smts[i])
  end
end

--- input: {x (batch, inputSize), target (batch)}. Gives the log-probability of each target (batch).
function SoftMaxForest:updateOutput(input)
  local x = input[1]
  if x:dim() == 1 then x = torch.unsqueeze(x, 1) end
  local gates, logs = run.call(self.modules[1], x), {}
  for i = 2, #self.modules do logs[i - 1] = run.call(self.modules[i], {x, input[2]}) end
  return torch.logsumexp(gates + torch.stack(logs, 2), 2):reshape(x:size(1))
end
