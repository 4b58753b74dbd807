--- The simple recurrent network: y = transfer(merge{input(x), feedback(y')}), and at the first step
-- y = transfer(start(input(x))). Elman 1990.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
require 'nn.recurrent.AbstractRecurrent'

local Recurrent, AbstractRecurrent = torch.class('nn.Recurrent', 'nn.AbstractRecurrent')

--- start: a module, or the size of the output: then what is added at the first step is learned.
-- input, feedback: modules of the input and of the output before. transfer: a module, Sigmoid by
-- default. rho: how many steps backward can go back. merge: of {input(x), feedback(y')}, by default
-- their sum.
function Recurrent:__init(start, input, feedback, transfer, rho, merge)
  AbstractRecurrent.__init(self, rho or 99999)
  if type(start) == 'number' then
    start = nn.Add(start)
  elseif torch.isTensor(start) then
    local layer = nn.Add(start:nElement())
    layer.bias:copy(start)
    start = layer
  end
  self.startModule = start
  self.inputModule, self.feedbackModule = input, feedback
  self.transferModule, self.mergeModule = transfer or nn.Sigmoid(), merge
  self:add(start):add(input):add(feedback):add(self.transferModule)
  if merge then self:add(merge) end
end

function Recurrent:advance(input, before)
  local given = run.call(self.inputModule, input)
  local output
  if before == nil then
    output = run.call(self.startModule, given)
  else
    before = run.call(self.feedbackModule, before)
    output = self.mergeModule and run.call(self.mergeModule, {given, before}) or given + before
  end
  output = run.call(self.transferModule, output)
  return output, output
end
