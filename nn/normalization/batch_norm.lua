--- Batch normalization (Ioffe and Szegedy 2015) of each channel, the second dimension, over all
-- others. The one place to change for another implementation.
local torch = require 'torch'

-- The dimensions that a channel's mean goes over, by how many the input has.
local OTHERS = {}
for n = 2, 8 do
  OTHERS[n] = {1}
  for d = 3, n do table.insert(OTHERS[n], d) end
end

-- (channel) -> (1, channel, 1, 1)
local function spread(tensor, n)
  if n == 2 then return tensor end
  local sizes = {1, tensor:nElement()}
  for d = 3, n do sizes[d] = 1 end
  return torch.view(tensor, torch.LongStorage(sizes))
end

-- The running statistics move towards those of this batch; of the variance, towards its unbiased
-- estimate.
local function update(running, mean, var, count, momentum)
  running.mean:lerp(mean:view(mean:nElement()), momentum)
  running.var:lerp(var:view(var:nElement()) * (count / (count - 1)), momentum)
end

--- weight and bias: (channel), or nil. running: {mean =, var =}, (channel) each, or nil. training:
-- true to use the statistics of this batch and to move the running ones by `momentum`.
return function(input, weight, bias, running, training, momentum, eps)
  local n = input:dim()
  local centered, var
  if training then
    local mean = torch.mean(input, OTHERS[n])
    centered = input - mean
    var = torch.mean(torch.square(centered), OTHERS[n])
    if running then
      local count = input:nElement() / input:size(2)
      torch.no_grad(update, running, mean:detach(), var:detach(), count, momentum)
    end
  else
    centered, var = input - spread(running.mean, n), spread(running.var, n)
  end
  local scale = torch.rsqrt(var + eps)
  if weight then scale = torch.cmul(scale, spread(weight, n)) end
  local output = torch.cmul(centered, scale)
  if bias then output = output + spread(bias, n) end
  return output
end
