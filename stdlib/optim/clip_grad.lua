--- Limits for gradients, between backward and the optimizer's step.
local torch = require 'torch'

-- The gradients of a list of parameters, of a model, or of one tensor.
local function gradients_of(name, parameters)
  if type(parameters) == 'table' and type(parameters.parameters) == 'function' then
    parameters = parameters:parameters()
  end
  if torch.isTensor(parameters) then parameters = {parameters} end
  if type(parameters) ~= 'table' then
    error(('optim.%s: a list of parameters expected, got %s'):format(name,
      torch.type(parameters)), 3)
  end
  local list = {}
  for i, parameter in ipairs(parameters) do
    if not torch.isTensor(parameter) then
      error(('optim.%s: parameter %d is no tensor, but a %s'):format(name, i,
        torch.type(parameter)), 3)
    end
    if parameter.grad then list[#list + 1] = parameter.grad end
  end
  return list
end

local function check_limit(name, limit)
  if type(limit) ~= 'number' or limit ~= limit or limit < 0 then
    error(('optim.%s: a limit of 0 or more expected, got %s'):format(name, tostring(limit)), 3)
  end
end

-- The norm of all gradients as one vector.
local function total_norm(gradients, p)
  local total = 0
  for _, gradient in ipairs(gradients) do
    local norm = gradient:nElement() > 0 and gradient:norm(p) or 0
    total = p == math.huge and math.max(total, norm) or total + norm ^ p
  end
  return p == math.huge and total or total ^ (1 / p)
end

-- Do all lie on one GPU?
local function on_gpu(gradients)
  local device = #gradients > 0 and gradients[1].device or 'cpu'
  for _, gradient in ipairs(gradients) do
    if gradient.device ~= device then return false end
  end
  return device ~= 'cpu'
end

--- Scales all gradients so that their norm, as of one vector, is at most max_norm. norm_type: 2 by
-- default, math.huge for the greatest element. Returns the norm before: a number, or, of gradients
-- on a GPU and a norm_type of 2, a tensor without dimensions there, for which nothing waits.
local function clip_grad_norm_(parameters, max_norm, norm_type)
  local gradients = gradients_of('clip_grad_norm_', parameters)
  check_limit('clip_grad_norm_', max_norm)
  if (norm_type or 2) == 2 and on_gpu(gradients) then
    return torch.no_grad(torch.clip_norms, gradients, max_norm)
  end
  local norm = torch.no_grad(total_norm, gradients, norm_type or 2)
  local factor = max_norm / (norm + 1e-6)
  if factor < 1 or factor ~= factor then
    for _, gradient in ipairs(gradients) do torch.no_grad(gradient.mul, gradient, factor) end
  end
  return norm
end

--- Cuts each element of the gradients off at -limit and limit.
local function clip_grad_value_(parameters, limit)
  local gradients = gradients_of('clip_grad_value_', parameters)
  check_limit('clip_grad_value_', limit)
  for _, gradient in ipairs(gradients) do
    torch.no_grad(gradient.clamp, gradient, -limit, limit)
  end
end

return {clip_grad_norm_ = clip_grad_norm_, clip_grad_value_ = clip_grad_value_}
