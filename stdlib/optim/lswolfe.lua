--- Line search for the strong Wolfe conditions (Nocedal, Wright 2006, algorithms 3.5 and 3.6).
local functional = require 'optim.functional'
local polyinterp = require('optim.polyinterp').polyinterp

-- A place on the line: its step, value, slope along the line, and gradient.
local function bad(point)
  return point.f ~= point.f or point.f == math.huge
end

-- Between two points, one of which fulfils the first condition: narrows them down.
local function zoom(search, low, high)
  while search.evals < search.limit do
    local least, most = math.min(low.t, high.t), math.max(low.t, high.t)
    if (most - least) * search.size < search.tolX then break end
    local t = bad(high) and (least + most) / 2
      or polyinterp({{low.t, low.f, low.slope}, {high.t, high.f, high.slope}}, least, most)
    -- Not at the ends: that would be the same point again.
    local margin = 0.1 * (most - least)
    t = math.min(math.max(t, least + margin), most - margin)
    local point = search.at(t)
    if bad(point) or search.too_high(point) or point.f >= low.f then
      high = point
    else
      if search.is_flat(point) then return point end
      if point.slope * (high.t - low.t) >= 0 then high = low end
      low = point
    end
  end
  return low
end

-- Goes outward until the sought step lies between two points, or is found.
local function bracket(search, first, t)
  local previous = first
  while search.evals < search.limit do
    local point = search.at(t)
    if bad(point) or search.too_high(point) or previous ~= first and point.f >= previous.f then
      return zoom(search, previous, point)
    end
    if search.is_flat(point) then return point end
    if point.slope >= 0 then return zoom(search, point, previous) end
    t = polyinterp({{previous.t, previous.f, previous.slope}, {point.t, point.f, point.slope}},
      point.t + 0.01 * (point.t - previous.t), 10 * point.t)
    previous = point
  end
  return previous
end

--- f, gradient, x, t, evaluations = optim.lswolfe(opfunc, x, t, d, f, g, gtd, options): from x,
-- where opfunc has the value f, the gradient g and along d the slope gtd, a step of d that is about
-- t. x becomes the new place.
-- options: c1 = 1e-4, c2 = 0.9, the constants of the conditions; tolX = 1e-9; maxIter = 25.
local function lswolfe(opfunc, x, t, d, f, g, gtd, options)
  options = options or {}
  local evaluate, place = functional.evaluator(opfunc, x)
  d = d:detach()
  local start = place:clone()
  local first = {t = 0, f = f, slope = gtd, gradient = g:detach():clone()}
  local c1, c2 = options.c1 or 1e-4, options.c2 or 0.9
  local search = {evals = 0, limit = options.maxIter or 25, tolX = options.tolX or 1e-9,
    size = d:clone():abs():max()}
  function search.at(step)
    search.evals = search.evals + 1
    place:copy(start):add(step, d)
    local value, gradient = evaluate()
    return {t = step, f = value, slope = gradient:dot(d), gradient = gradient}
  end
  function search.too_high(point) return point.f > f + c1 * point.t * gtd end
  function search.is_flat(point) return math.abs(point.slope) <= -c2 * gtd end
  local best = bracket(search, first, t)
  if bad(best) then best = first end
  place:copy(start):add(best.t, d)
  return best.f, best.gradient, x, best.t, search.evals
end

return {lswolfe = lswolfe}
