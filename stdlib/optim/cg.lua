--- Conjugate gradients for functions of any form (Polak, Ribiere 1969), with a line search for the
-- Wolfe-Powell conditions.
local functional = require 'optim.functional'
local polyinterp = require('optim.polyinterp').polyinterp

local MOST_TRIES = 20

-- A step along the direction; nil when none is found. first: value, slope at the beginning.
local function line_search(at, first, t, config, budget)
  local rho, sig = config.rho or 0.01, config.sig or 0.5
  local inner, outer = config.int or 0.1, config.ext or 3
  local low, high = {t = 0, f = first.f, slope = first.slope}, nil
  for _ = 1, math.min(MOST_TRIES, budget) do
    local point = at(t)
    local is_number = point.f == point.f and point.f < math.huge
    local down = is_number and point.f <= first.f + rho * t * first.slope
    if down and math.abs(point.slope) <= -sig * first.slope then return point end
    if down and point.slope < 0 and not (high and point.f > low.f) then
      -- Too short.
      local before = low
      low = point
      if high then
        t = polyinterp({{low.t, low.f, low.slope}, {high.t, high.f, high.slope}}, low.t, high.t)
      else
        t = polyinterp({{before.t, before.f, before.slope}, {low.t, low.f, low.slope}},
          low.t * (1 + inner), low.t * outer)
      end
    else
      high = point
      t = is_number and polyinterp({{low.t, low.f, low.slope}, {high.t, high.f, high.slope}}, low.t,
        high.t) or (low.t + high.t) / 2
    end
    if high then
      local margin = inner * (high.t - low.t)
      t = math.min(math.max(t, low.t + margin), high.t - margin)
    end
  end
  return low.gradient and low
end

--- x, {f...}, evaluations = optim.cg(opfunc, x, config), as in Torch7.
-- config: maxIter = 20; maxEval = 1.25 maxIter; rho = 0.01 and sig = 0.5, the constants of the
-- conditions; int = 0.1, how near to an end of its interval a step may be, and ext = 3, by how much
-- an interval may grow; ratio = 100, by how much the first step of a line search may.
local function cg(opfunc, x, config)
  config = config or {}
  local most_iterations = config.maxIter or 20
  local most_evals = config.maxEval or most_iterations * 1.25
  local evaluate, place = functional.evaluator(opfunc, x)
  local value, gradient = evaluate()
  local values, evals = {value}, 1
  local d = gradient:clone():mul(-1)
  local slope = gradient:dot(d)
  local t, was_reset = 1 / (1 - slope), true
  local start = place:clone()
  local function at(step)
    evals = evals + 1
    place:copy(start):add(step, d)
    local f, g = evaluate()
    return {t = step, f = f, slope = g:dot(d), gradient = g}
  end

  for _ = 1, most_iterations do
    if evals >= most_evals or slope == 0 then break end
    start:copy(place)
    local point = line_search(at, {f = value, slope = slope}, t, config, most_evals - evals)
    if point then
      place:copy(start):add(point.t, d)
      local new = point.gradient
      local beta = (new:dot(new) - gradient:dot(new)) / gradient:dot(gradient)
      value, gradient = point.f, new
      values[#values + 1] = value
      d:mul(math.max(beta, 0)):add(-1, new)
      local old = slope
      slope, was_reset = new:dot(d), false
      if slope >= 0 then
        d:copy(new):mul(-1)
        slope, was_reset = -new:dot(new), true
      end
      t = point.t * math.min(config.ratio or 100, old / (slope - 1e-300))
    else
      place:copy(start)
      if was_reset then break end
      d:copy(gradient):mul(-1)
      slope, was_reset = -gradient:dot(gradient), true
      t = 1 / (1 - slope)
    end
  end
  return x, values, evals
end

return {cg = cg}
