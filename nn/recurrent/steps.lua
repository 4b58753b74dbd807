--- A sequence as its steps: a tensor (time, ...) is taken apart and put together; a table is a list
-- of steps already.
local torch = require 'torch'

local steps = {}

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
function steps.of(input)
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

--- The outputs in the form of the input: a tensor, or the list.
function steps.like(input, outputs)
  if type(input) == 'table' or type(outputs[1]) ~= 'userdata' then return outputs end
  return torch.stack(outputs, 1)
end

--- The list from its end to its beginning.
function steps.reversed(list)
  local out = {}
  for i = #list, 1, -1 do out[#out + 1] = list[i] end
  return out
end

return steps
