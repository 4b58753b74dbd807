--- What gated cells share: products with the weights of all gates at once, their parts, dropout.
local torch = require 'torch'
local run = require 'nn.run'
local memory = require 'nn.recurrent.memory'

local gates = {}

--- Zeros (batch, size), or (size) for a single example, like the input.
function gates.zeros(input, size)
  local shape = input:dim() == 1 and {size} or {input:size(1), size}
  return torch.zeros_like(input:detach():narrow(input:dim(), 1, 1)):expand(
    torch.LongStorage(shape)):clone()
end

--- The error for an input of other size than the module's; before: a state of the steps before.
function gates.check(input, size, before)
  if not torch.isTensor(input) or input:dim() < 1 or input:dim() > 2 then
    error(('an input (feature) or (batch, feature) expected, got %s'):format(
      torch.isTensor(input) and input:dim() .. ' dimensions' or torch.type(input)), 0)
  end
  if input:size(input:dim()) ~= size then
    error(('input has %d features, expected %d'):format(input:size(input:dim()), size), 0)
  end
  if input:nElement() == 0 then error('input has no examples', 0) end
  if before and (before:dim() ~= input:dim() or input:dim() == 2
      and before:size(1) ~= input:size(1)) then
    local function count(x) return x:dim() == 1 and 'a single one' or tostring(x:size(1)) end
    error(('as many examples as before expected (%s), got %s: forget() begins a new sequence')
      :format(count(before), count(input)), 0)
  end
end

--- Part k of `size` features.
function gates.part(all, k, size)
  return torch.narrow(all, all:dim(), (k - 1) * size + 1, size)
end

-- One mask of dropout; with mono the same for a whole sequence (Gal and Ghahramani 2016).
local function mask(module, key, like)
  local masks = memory.of(module).masks
  if module.mono and masks[key] then return masks[key] end
  local drawn = torch.dropout(torch.ones_like(like:detach()), module.p)
  masks[key] = module.mono and drawn or nil
  return drawn
end

--- layer(input), where `layer` has the weights of `count` gates of `size` features. With dropout
-- each gate sees its own selection of the input. key names it: 'input'.
function gates.product(module, layer, input, count, size, key)
  if (module.p or 0) == 0 or module.train == false then return run.call(layer, input) end
  local parts = {}
  for k = 1, count do
    local seen = torch.cmul(input, mask(module, key .. k, input))
    local first = (k - 1) * size + 1
    parts[k] = torch.linear(seen, torch.narrow(layer.weight, 1, first, size),
      layer.bias and torch.narrow(layer.bias, 1, first, size) or nil)
  end
  return torch.cat(parts, input:dim())
end

--- A probability of dropout, checked.
function gates.probability(p)
  p = p or 0
  if type(p) ~= 'number' or not (p >= 0 and p < 1) then
    error(('dropout: a probability from 0 to below 1 expected, got %s'):format(tostring(p)), 0)
  end
  return p
end

return gates
