--- Base of the modules that draw their output at random and learn from rewards. The gradient of the
-- input is -reward times that of log p(output | input); what comes backward is not looked at.
-- Williams 1992.
--
-- A class defines draw(input) -> output, slopes, where slopes() gives the gradients of log p, one
-- for each tensor of the input; and expected(input), what takes the place of a draw in use.
local torch = require 'torch'
local values = require 'nn.values'
require 'nn.Module'
require 'dpnn'

local Reinforce, Module = torch.class('nn.Reinforce', 'nn.Module')

--- stochastic: true to draw in use, too.
function Reinforce:__init(stochastic)
  Module.__init(self)
  self.stochastic = stochastic or false
  self.train = true
end

-- module -> {reward}: the tape keeps the table, which must not keep the module.
local boxes = setmetatable({}, {__mode = 'k'})

local function box_of(self)
  if not boxes[self] then boxes[self] = {} end
  return boxes[self]
end

--- The rewards (batch), before backward.
function Reinforce:reinforce(reward)
  self.rewardInput = reward
  box_of(self).reward = reward
end

-- The rewards, one for each example, in the size of a tensor.
local function as(reward, tensor)
  if type(reward) == 'number' then return tensor.new(tensor:size()):fill(reward) end
  if reward:nElement() ~= tensor:size(1) and reward:nElement() ~= 1 then
    error(('reinforce: %d rewards expected, one for each example, got %d'):format(tensor:size(1),
      reward:nElement()), 0)
  end
  local sizes = {reward:nElement()}
  for d = 2, tensor:dim() do sizes[d] = 1 end
  return reward:detach():typeAs(tensor):reshape(torch.LongStorage(sizes)):expandAs(tensor)
end

function Reinforce:rewardAs(tensor)
  return as(self.rewardInput, tensor)
end

function Reinforce:updateOutput(input)
  if self.train == false and not self.stochastic then return self:expected(input) end
  local output, slopes = self:draw(values.detached(input))
  local list = type(input) == 'table' and {input[1], input[2]} or {input}
  local box, name = box_of(self), torch.type(self)
  torch.record(function()
    if box.reward == nil then
      error(name .. ': the reward is missing: call reinforce(reward) before backward', 0)
    end
    local gradients = {slopes()}
    for i, slope in ipairs(gradients) do
      gradients[i] = -torch.cmul(slope, as(box.reward, slope))
    end
    return (table.unpack or unpack)(gradients)
  end, list, {output})
  return output
end
