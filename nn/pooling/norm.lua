--- The p-norm of what is under a window.
local torch = require 'torch'

local norm = {}

--- x^p.
function norm.power(x, p)
  return p == 2 and torch.square(x) or torch.pow(x, p)
end

--- sums^(1/p), with gradient 0 and not infinity where a sum is 0.
function norm.root(sums, p)
  local none = torch.eq(sums:detach(), 0)
  local safe = torch.maskedFill(sums, none, 1)
  return torch.maskedFill(p == 2 and torch.sqrt(safe) or torch.pow(safe, 1 / p), none, 0)
end

return norm
