--- Is a gradient right?
local functional = require 'optim.functional'

--- difference, gradient, estimate = optim.checkgrad(opfunc, x [, eps]): the gradient that opfunc
-- gives, that by differences of 2 eps (1e-7 by default), and the norm of what they differ by, over
-- the norm of their sum. x should be a DoubleTensor.
local function checkgrad(opfunc, x, eps)
  eps = eps or 1e-7
  local evaluate, place = functional.evaluator(opfunc, x)
  local _, gradient = evaluate()
  local estimate = gradient:clone():zero()
  local spots, slopes = place:view(place:nElement()), estimate:view(estimate:nElement())
  for i = 1, spots:nElement() do
    local old = spots[i]
    spots[i] = old + eps
    local up = evaluate()
    spots[i] = old - eps
    slopes[i] = (up - evaluate()) / (2 * eps)
    spots[i] = old
  end
  local total = (gradient + estimate):norm()
  local difference = (gradient - estimate):norm()
  return difference == 0 and 0 or difference / total, gradient, estimate
end

return {checkgrad = checkgrad}
