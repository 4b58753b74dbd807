--- torch.gradcheck: gradients from the tape against central differences.
--
-- The outputs are multiplied by fixed weights and summed. The derivative of that one number by each
-- element of each input is asked of the tape, and measured: (L(x + eps) - L(x - eps)) / (2 eps).
local torch = require 'torch'

local defaults = {eps = 1e-6, atol = 1e-6, rtol = 1e-5, second = false}

local function read_options(given)
  local options = {}
  for name, value in pairs(defaults) do options[name] = value end
  for name, value in pairs(given or {}) do
    if defaults[name] == nil then
      error('gradcheck: no option ' .. tostring(name) .. ': there are eps, atol, rtol, second', 3)
    end
    options[name] = value
  end
  return options
end

-- Weights that differ from element to element, between 0.5 and 1.5, of either sign; always the
-- same ones, and without a draw from the program's random numbers.
local function weights_like(tensor)
  local weights = tensor:clone():zero()
  local flat = weights:view(-1)
  for k = 1, flat:nElement() do
    local part = (k * 0.6180339887498949) % 1
    flat[k] = k % 3 == 0 and -0.5 - part or 0.5 + part
  end
  return weights
end

local function pack(...)
  if select('#', ...) == 1 and type((...)) == 'table' then return (...), nil end
  return {...}, select('#', ...)
end

-- What f returns, as a list of the numbers and floating-point tensors in it.
local function outputs_of(f, inputs)
  local list, count = pack(f((table.unpack or unpack)(inputs)))
  local found = {}
  for k = 1, count or #list do
    local value = list[k]
    if torch.isTensor(value) then
      if value.dtype:find('float') then found[#found + 1] = value end
    elseif type(value) == 'number' then
      found[#found + 1] = value
    end
  end
  if #found == 0 then error('gradcheck: the function returned nothing that has a gradient', 0) end
  return found
end

local function weighted_sum(outputs, weights)
  local total = 0
  for k, value in ipairs(outputs) do
    if type(value) == 'number' then
      total = total + value * weights[k]:item()
    elseif value:nElement() > 0 then
      total = total + torch.cmul(value:double(), weights[k]):sum()
    end
  end
  return total
end

local function number_of(value)
  return type(value) == 'number' and value or value:item()
end

-- Copies, so that the caller's tensors stay as they are. `checked[k]`: input k has a gradient.
local function copy_inputs(inputs)
  local copies, flats, checked = {}, {}, {}
  for k = 1, #inputs do
    local input = inputs[k]
    if torch.isTensor(input) and input.dtype == 'float64' then
      copies[k] = input:detach():clone()
      flats[k] = copies[k]:view(-1)
      copies[k].requires_grad = true
      checked[#checked + 1] = k
    else
      copies[k] = input
    end
  end
  if #checked == 0 then
    error('gradcheck: an input of type torch.DoubleTensor expected: narrower numbers are too '
      .. 'coarse for differences', 0)
  end
  return copies, flats, checked
end

local function place(tensor, element)
  local at, sizes = {}, tensor:size()
  element = element - 1
  for d = #sizes, 1, -1 do
    at[d] = element % sizes[d] + 1
    element = math.floor(element / sizes[d])
  end
  return '[' .. table.concat(at, ',') .. ']'
end

-- One pass over all elements; `evaluate(inputs)` gives the weighted sum.
local function compare(evaluate, inputs, order, options)
  local copies, flats, checked = copy_inputs(inputs)
  local leaves = {}
  for i, k in ipairs(checked) do leaves[i] = copies[k] end
  local total = evaluate(copies)
  local grads = {}
  if torch.isTensor(total) and total.requires_grad then grads = torch.grad({total}, leaves) end
  for i, k in ipairs(checked) do
    local flat, grad = flats[k], grads[i]
    if grad and not grad:isSameSizeAs(copies[k]) then
      error(('gradcheck: input %d of size %s has a gradient of size %s'):format(k,
        table.concat(copies[k]:size():totable(), 'x'), table.concat(grad:size():totable(), 'x')), 0)
    end
    grad = grad and grad:contiguous():view(-1)
    for e = 1, flat:nElement() do
      local value = flat[e]
      flat[e] = value + options.eps
      local above = number_of(evaluate(copies))
      flat[e] = value - options.eps
      local below = number_of(evaluate(copies))
      flat[e] = value
      local numeric = (above - below) / (2 * options.eps)
      local analytic = grad and grad[e] or 0
      local difference = math.abs(analytic - numeric)
      local good = difference <= options.atol + options.rtol * math.abs(numeric)
      if not good then -- also where one of them is not a number
        error(('gradcheck: %sinput %d, element %s: the gradient is %.9g, but differences give %.9g')
          :format(order, k, place(copies[k], e), analytic, numeric), 0)
      end
    end
  end
end

-- The gradients as functions of the inputs and of the outputs' weights.
local function second_order(f, inputs, weights, options)
  local all, first_weight = {}, #inputs + 1
  for k = 1, #inputs do all[k] = inputs[k] end
  for _, weight in ipairs(weights) do all[#all + 1] = weight end
  local seeds

  local function evaluate(given)
    local arguments, own_weights, leaves = {}, {}, {}
    for k = 1, #inputs do
      arguments[k] = given[k]
      if torch.isTensor(given[k]) and given[k].requires_grad then leaves[#leaves + 1] = given[k] end
    end
    for k = first_weight, #all do own_weights[#own_weights + 1] = given[k] end
    local total = weighted_sum(outputs_of(f, arguments), own_weights)
    if not (torch.isTensor(total) and total.requires_grad) then return 0 end
    local found = {}
    local grads = torch.grad({total}, leaves, {create_graph = true})
    for k = 1, #leaves do
      if grads[k] then found[#found + 1] = grads[k] end
    end
    if not seeds then
      seeds = {}
      for k, grad in ipairs(found) do seeds[k] = weights_like(grad:detach()) end
    end
    return weighted_sum(found, seeds)
  end
  compare(evaluate, all, 'second order, ', options)
end

--- torch.gradcheck(f, inputs[, {eps=, atol=, rtol=, second=}]) → true, or an error that names the
-- input, the element and both values. f takes the inputs and returns numbers and tensors; those
-- inputs that are torch.DoubleTensors are checked. second=true: also the gradients' gradients.
local function gradcheck(f, inputs, given)
  local options = read_options(given)
  if torch.isTensor(inputs) then inputs = {inputs} end
  if type(inputs) ~= 'table' then
    error('gradcheck: a tensor or a table of inputs expected, got ' .. torch.type(inputs), 2)
  end
  torch.enable_grad(function()
    local weights = {}
    local function evaluate(copies)
      local outputs = outputs_of(f, copies)
      for k = #weights + 1, #outputs do
        local value = outputs[k]
        weights[k] = type(value) == 'number' and torch.tensor(1.25, {dtype = 'float64'})
          or weights_like(value:detach():double())
      end
      return weighted_sum(outputs, weights)
    end
    compare(evaluate, inputs, '', options)
    if options.second then second_order(f, inputs, weights, options) end
  end)
  return true
end

return gradcheck
