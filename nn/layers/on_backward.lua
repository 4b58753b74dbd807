--- A tensor with the input's values, whose gradient passes through fn on its way back.
local torch = require 'torch'

--- fn(dy) returns the gradient of the input. It must not refer to the module, which would be kept
-- alive by its own tape.
return function(input, fn)
  if not input.requires_grad or not torch.is_grad_enabled() then return input end
  local output = input:detach()
  torch.record(fn, {input}, {output})
  return output
end
