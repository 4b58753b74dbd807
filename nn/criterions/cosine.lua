--- Cosine of the angle between rows of two tensors, (row, feature): (row).
local torch = require 'torch'

-- Keeps the cosine of a zero vector finite.
local EPSILON = 1e-12

return function(a, b)
  local product = torch.cmul(a, b):sum(2)
  local lengths = torch.cmul(torch.square(a):sum(2) + EPSILON, torch.square(b):sum(2) + EPSILON)
  return torch.cdiv(product, torch.sqrt(lengths)):view(a:size(1))
end
