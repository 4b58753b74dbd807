--- The two kernels of batch normalisation, over features in dimension 2.
local torch = require 'torch'

-- Mean and 1 / sqrt(variance + eps) of each feature.
local function note_statistics(a)
  local input = a.input
  local features = input:transpose(1, 2):contiguous():view(input:size(2), -1)
  local mean = features:mean(2)
  a.save_mean:resize(input:size(2)):copy(mean)
  local variance = torch.square(features - mean:expandAs(features)):mean(2)
  a.save_std:resize(input:size(2)):copy(torch.rsqrt(variance + a.eps))
end

local function updateOutput(a)
  if a.train then note_statistics(a) end
  local result = torch.batch_norm(a.input, a.running_mean, a.running_var, a.weight, a.bias, a.train,
    a.momentum, a.eps)
  a.output:resizeAs(result):copy(result)
end

local function leaf_of(tensor)
  local leaf = tensor:detach():clone()
  leaf.requires_grad = true
  return leaf
end

-- Each of the gradients may be missing: then it is not wanted.
local function backward(a)
  local count = a.input:size(2)
  local input = leaf_of(a.input)
  local weight = leaf_of(a.weight or a.input:new_ones({count}))
  local bias = leaf_of(a.input:new_zeros({count}))
  local mean, variance = a.running_mean:clone(), a.running_var:clone()
  torch.set_grad_enabled(true)
  local result = torch.batch_norm(input, mean, variance, weight, bias, a.train, 0, a.eps)
  torch.set_grad_enabled(false)
  local gradients = torch.grad({result}, {input, weight, bias}, {a.gradOutput})
  if a.gradInput then a.gradInput:resizeAs(a.input):copy(gradients[1]) end
  if a.gradWeight then a.gradWeight:add(a.scale, gradients[2]) end
  if a.gradBias then a.gradBias:add(a.scale, gradients[3]) end
end

return {
  BatchNormalization_updateOutput = {updateOutput, 'input output weight bias running_mean '
    .. 'running_var save_mean save_std train momentum eps'},
  BatchNormalization_backward = {backward, 'input gradOutput gradInput gradWeight gradBias weight '
    .. 'running_mean running_var save_mean save_std train scale eps'},
}
