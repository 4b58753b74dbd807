--- Half the square of a difference up to delta, and beyond a line of slope delta (Huber 1964).
local torch = require 'torch'

-- With c = min(|d|, delta) both are c (|d| - c / 2).
return function(input, target, delta)
  local distance = torch.abs(torch.csub(input, target))
  local near = torch.clamp(distance, 0, delta)
  return torch.cmul(near, distance - near * 0.5)
end
