--- Minimum of a smooth function plus one that has a simple proximal step, such as a penalty that
-- makes x sparse (Beck, Teboulle 2009, "FISTA").
local torch = require 'torch'

-- f at y plus its slope to x plus L / 2 times the square of the distance.
local function bound(value, gradient, x, y, L)
  local step = torch.csub(x, y)
  return value + gradient:dot(step) + L / 2 * step:dot(step)
end

--- x, history = optim.FistaLS(f, g, pl, xinit [, params]). f(x, 'dx') returns the smooth part and
-- its gradient, f(x) the value alone; g(x) the other part; pl(x, L) changes x into the minimum of
-- g + L / 2 times the square of the distance to x. xinit becomes the result.
-- params: L = 0.1, curvature to begin with; Lstep = 1.5, its factor; maxiter = 50; maxline = 20,
-- tries in one step; errthres = 1e-4, the least change of the sum; doFistaUpdate = true, false for
-- plain steps (ISTA); verbose. history[i] has F, Fk (the smooth part), L and nline of step i.
local function fista(f, g, pl, xinit, params)
  params = params or {}
  local L, factor = params.L or 0.1, params.Lstep or 1.5
  local x, y, t = xinit:detach():clone(), xinit:detach():clone(), 1
  local history, last = {}, math.huge
  for iteration = 1, params.maxiter or 50 do
    local value, gradient = f(y, 'dx')
    gradient = gradient:clone()
    local new, smooth
    local tries = 0
    repeat
      tries = tries + 1
      new = y:clone():add(-1 / L, gradient)
      pl(new, L)
      smooth = f(new)
      local fits = smooth <= bound(value, gradient, new, y, L)
      if not fits then L = L * factor end
    until fits or tries >= (params.maxline or 20)
    local total = smooth + g(new)
    history[iteration] = {F = total, Fk = smooth, L = L, nline = tries}
    if params.verbose then
      print(('optim.FistaLS: step %d, value %g, L %g, %d tries'):format(iteration, total, L, tries))
    end
    local next_t = params.doFistaUpdate == false and 1 or (1 + math.sqrt(1 + 4 * t * t)) / 2
    y:copy(new)
    if params.doFistaUpdate ~= false then y:add((t - 1) / next_t, torch.csub(new, x)) end
    x, t = new, next_t
    if math.abs(last - total) <= (params.errthres or 1e-4) then break end
    last = total
  end
  xinit:detach():copy(x)
  return xinit, history
end

return {FistaLS = fista}
