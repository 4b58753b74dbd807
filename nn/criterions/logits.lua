--- Cross entropy of two classes from x, the logarithm of their odds: with p = sigmoid(x)
-- -(w t log p + (1 - t) log(1 - p)), safe for large x.
local torch = require 'torch'

-- -log p = softplus(-x) and -log(1 - p) = x + softplus(-x).
return function(input, target, positive)
  local cost = torch.softplus(-input)
  local rest = torch.cmul(1 - target, input)
  if positive then
    return rest + torch.cmul(1 + torch.cmul(target, positive - 1), cost)
  end
  return rest + cost
end
