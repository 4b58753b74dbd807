--- Hinge loss of distances: a pair that belongs together (y = 1) costs its distance, one that does
-- not (y = -1) what its distance lacks of the margin.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'

return function(distance, target, margin)
  local y = losses.like(distance, target)
  local near, far = losses.typed_as(y:ne(-1), y), losses.typed_as(y:ne(1), y)
  return torch.cmul(distance, near) + torch.cmul(torch.relu(margin - distance), far)
end
