--- A sequence as its steps: a tensor (time, ...) is taken apart and put together; a table is a list
-- of steps already.
local torch = require 'torch'

local sequence = {}

-- The gradients of the parts are put together once, where each by itself would be as large as the
-- whole. Every part has a node that leaves its gradient for the first one.
local function take(tensor)
  local plain, start = tensor:detach(), torch.zeros(1)
  local list, gradients = {}, {}
  for t = 1, tensor:size(1) do list[t] = plain:select(1, t) end
  if not tensor.requires_grad then return list end
  torch.record(function()
    local whole = torch.zeros_like(plain)
    for t, gradient in pairs(gradients) do whole:select(1, t):copy(gradient) end
    gradients = {}
    return whole
  end, {tensor}, {start})
  local nothing = torch.zeros(1)
  for t, part in ipairs(list) do
    torch.record(function(d)
      gradients[t] = d
      return nothing
    end, {start}, {part})
  end
  return list
end

--- The list of the steps.
function sequence.of(input)
  if type(input) == 'table' then
    if #input == 0 then error('a sequence of at least one step expected, got an empty table', 0) end
    return input
  end
  if not torch.isTensor(input) or input:dim() < 1 or input:nElement() == 0 then
    error(('a tensor (time, ...) or a table of steps expected, got %s'):format(
      torch.isTensor(input) and 'an empty tensor' or torch.type(input)), 0)
  end
  return take(input)
end

--- The sequence as one tensor (time, batch, feature) of these features, like `like`; nil if it is
-- none or has one step only.
function sequence.whole(input, features, like)
  local first = type(input) == 'table' and input[1] or input
  local dims = first == input and 3 or 2
  local function fits(tensor)
    return torch.isTensor(tensor) and tensor:dim() == dims and tensor:size(dims) == features
      and tensor:nElement() > 0 and getmetatable(tensor) == getmetatable(like)
  end
  if not fits(first) then return nil end
  if first == input then return input:size(1) > 1 and input or nil end
  for _, step in ipairs(input) do
    if not fits(step) or step:size(1) ~= first:size(1) then return nil end
  end
  return #input > 1 and torch.stack(input, 1) or nil
end

--- The outputs, a list or a tensor (time, ...), in the form of the input.
function sequence.like(input, outputs)
  if type(input) == 'table' then return sequence.of(outputs) end
  if type(outputs) == 'userdata' or type(outputs[1]) ~= 'userdata' then return outputs end
  return torch.stack(outputs, 1)
end

return sequence
