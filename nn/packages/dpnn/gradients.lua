--- What training scripts do with gradients and parameters between backward and the update.
local torch = require 'torch'
local values = require 'nn.values'
local Module = torch.getmetatable('nn.Module')

-- Parameters of modules change without being recorded.
local function method(name, fn)
  Module[name] = function(self, ...) return torch.no_grad(fn, self, ...) end
end

local function norm_of(gradients)
  local sum = 0
  for _, gradient in ipairs(gradients) do sum = sum + gradient:norm() ^ 2 end
  return math.sqrt(sum)
end

--- Scales the gradients down where their norm is above cutoffNorm. moduleLocal: true for the norm
-- of each module by itself, false (default) for that of all together. Returns the (greatest) norm.
method('gradParamClip', function(self, cutoffNorm, moduleLocal)
  local children = moduleLocal and self:children() or {}
  if #children > 0 then
    local greatest = 0
    for _, child in ipairs(children) do
      greatest = math.max(greatest, child:gradParamClip(cutoffNorm, true))
    end
    return greatest
  end
  local _, gradients = self:parameters()
  local norm = norm_of(gradients or {})
  if norm > cutoffNorm then
    for _, gradient in ipairs(gradients) do gradient:mul(cutoffNorm / norm) end
  end
  return norm
end)

-- Scales the slices of a dimension down whose norm is above a bound.
local function bound(tensor, dim, norm)
  if norm and norm > 0 then tensor:copy(torch.renorm(tensor, 2, dim, norm)) end
end

--- Scales rows of weights (one for each neuron that they lead to) down to the norm maxOutNorm, and
-- columns (that they come from) to maxInNorm. Hinton et al. 2012. Biases stay as they are.
method('maxParamNorm', function(self, maxOutNorm, maxInNorm)
  for _, tensor in ipairs((self:parameters()) or {}) do
    if tensor:dim() > 1 then
      bound(tensor, 1, maxOutNorm or self.maxOutNorm)
      bound(tensor, 2, maxInNorm or self.maxInNorm)
    end
  end
end)

--- Adds wdFactor times the parameters to their gradients: of those with at least wdMinDim
-- dimensions, 2 by default.
method('weightDecay', function(self, wdFactor, wdMinDim)
  wdFactor = wdFactor or self.wdFactor or 0
  if wdFactor <= 0 then return end
  local tensors, gradients = self:parameters()
  for i, tensor in ipairs(tensors or {}) do
    if tensor:dim() >= (wdMinDim or self.wdMinDim or 2) then gradients[i]:add(wdFactor, tensor) end
  end
end)

--- The averages that updateGradParameters keeps, one for each parameter.
method('momentumGradParameters', function(self)
  local _, gradients = self:parameters()
  if not self.momGradParams or #self.momGradParams ~= #(gradients or {}) then
    self.momGradParams = {}
    for i, gradient in ipairs(gradients or {}) do self.momGradParams[i] = gradient:clone() end
  end
  return self.momGradParams
end)

--- Gradients with momentum: m = momFactor m + (1 - momDamp) g takes the place of g, or with
-- momNesterov g + momFactor m. momDamp is momFactor by default; the first m is g.
method('updateGradParameters', function(self, momFactor, momDamp, momNesterov)
  momFactor = momFactor or self.momFactor or 0
  momDamp = momDamp or self.momDamp or momFactor
  if momNesterov == nil then momNesterov = self.momNesterov end
  if momFactor <= 0 then return end
  local first = self.momGradParams == nil
  local _, gradients = self:parameters()
  local averages = self:momentumGradParameters()
  for i, gradient in ipairs(gradients or {}) do
    local average = averages[i]
    if not first then average:mul(momFactor):add(1 - momDamp, gradient) end
    if momNesterov then gradient:add(momFactor, average) else gradient:copy(average) end
  end
end)

--- The parameters that a step may change: all of them.
function Module:sparseParameters()
  return self:parameters()
end

--- Raises an error where a parameter or a gradient is no number (NaN).
function Module:checkParameters()
  local tensors, gradients = self:parameters()
  for what, list in pairs {parameter = tensors or {}, gradient = gradients or {}} do
    for i, tensor in ipairs(list) do
      if torch.any(torch.isnan(tensor:detach())) then
        error(('%s: %s %d has elements that are no numbers (NaN)'):format(torch.type(self), what,
          i), 2)
      end
    end
  end
end

-- The place of updateOutput in modules that gradients do not pass.
local function without_gradient(self, input, target)
  local update = getmetatable(self).updateOutput
  return values.detached(torch.no_grad(update, self, values.detached(input), target))
end

--- From now on no gradient reaches this module's parameters and input: all are zero.
function Module:dontBackward()
  self.noBackward = true
  self.updateOutput = without_gradient
  return self
end

return without_gradient
