--- In training drops each element with probability p and scales the others by 1 / (1 - p), so that
-- the mean stays; in use does nothing. Srivastava et al. 2014.
local torch = require 'torch'
local overwrite = require 'nn.inplace'
local on_backward = require 'nn.layers.on_backward'
require 'nn.Module'

local Dropout = torch.class('nn.Dropout', 'nn.Module')

--- v1: scale when in use instead of in training. inplace: write over the input, see nn/inplace.lua.
-- stochastic: drop when in use, too.
function Dropout:__init(p, v1, inplace, stochastic)
  self:setp(p or 0.5)
  self.train = true
  self.v2 = not v1
  self.inplace = inplace or false
  self.stochastic_inference = stochastic or false
end

function Dropout:setp(p)
  if type(p) ~= 'number' or not (p >= 0 and p < 1) then
    error(('nn.Dropout: a probability from 0 to below 1 expected, got %s'):format(tostring(p)), 3)
  end
  self.p = p
end

-- The elements that are kept, 1 / (1 - p) or with v1 1, else 0. With `lazy`, of rnn, the same
-- ones until backward has been called, with `mono` for all examples of a batch.
local function draw(self, like)
  local keep, sizes = 1 - self.p, like:size():totable()
  if self.mono and #sizes > 1 then sizes[1] = 1 end
  local known = self.noise
  if self.lazy and self.flag == false and torch.isTensor(known)
      and known:type() == like:type() and known:isSize(torch.LongStorage(sizes)) then
    return known:expandAs(like)
  end
  self.noise = like:new_empty(sizes):bernoulli(keep)
  if self.v2 then self.noise:div(keep) end
  self.flag = false
  return self.noise:expandAs(like)
end

local function dropped(self, input)
  local target = overwrite.target(self, input)
  local noise = draw(self, input:detach())
  local output = target and target:cmul(noise) or torch.cmul(input, noise)
  if not self.lazy then return output end
  local box = setmetatable({self}, {__mode = 'v'})
  return on_backward(output, function(dy)
    if box[1] then box[1].flag = true end
    return dy
  end)
end

function Dropout:updateOutput(input)
  local keep = 1 - self.p
  if self.train == false and not self.stochastic_inference then
    if self.v2 then return input end
    local target = overwrite.target(self, input)
    return target and target:mul(keep) or input * keep
  end
  if self.p == 0 then return input end
  if self.inplace or self.lazy or self.mono then return dropped(self, input) end
  local output = torch.dropout(input, self.p)
  return self.v2 and output or output * keep
end

function Dropout:__tostring__()
  return ('%s(%f)'):format(torch.type(self), self.p)
end
