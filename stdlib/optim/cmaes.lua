--- Evolution that adapts the covariance of its steps, for functions without a gradient (Hansen,
-- "The CMA Evolution Strategy: A Tutorial", 2016).
local torch = require 'torch'
local functional = require 'optim.functional'

-- The constants of the tutorial, for n numbers and a population.
local function constants(n, population)
  local c = {parents = math.floor(population / 2)}
  local weights, sum, squares = {}, 0, 0
  for i = 1, c.parents do
    weights[i] = math.log(population / 2 + 0.5) - math.log(i)
    sum = sum + weights[i]
  end
  for i = 1, c.parents do
    weights[i] = weights[i] / sum
    squares = squares + weights[i] ^ 2
  end
  c.weights = torch.DoubleTensor(weights)
  local mass = 1 / squares
  c.mass = mass
  c.cc = (4 + mass / n) / (n + 4 + 2 * mass / n)
  c.cs = (mass + 2) / (n + mass + 5)
  c.c1 = 2 / ((n + 1.3) ^ 2 + mass)
  c.cmu = math.min(1 - c.c1, 2 * (mass - 2 + 1 / mass) / ((n + 2) ^ 2 + mass))
  c.damping = 1 + 2 * math.max(0, math.sqrt((mass - 1) / (n + 1)) - 1) + c.cs
  c.length = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)) -- of a normal vector
  return c
end

-- Axes of the ellipsoid of steps, and their lengths.
local function axes_of(covariance)
  local values, vectors = torch.symeig((covariance + covariance:t()) / 2, 'V')
  return vectors, values:clamp(1e-300, math.huge):sqrt()
end

-- The new mean, covariance and step size, from the best of a generation. steps: (parent, n), each
-- over sigma.
local function adapt(s, c, steps, generation)
  local n = s.mean:nElement()
  local step = torch.mv(steps:t(), c.weights)
  s.mean:add(s.sigma, step)
  local white = torch.mv(s.axes, torch.cdiv(torch.mv(s.axes:t(), step), s.lengths))
  s.ps:mul(1 - c.cs):add(math.sqrt(c.cs * (2 - c.cs) * c.mass), white)
  local norm = s.ps:norm()
  local calm = norm / math.sqrt(1 - (1 - c.cs) ^ (2 * generation)) / c.length < 1.4 + 2 / (n + 1)
  s.pc:mul(1 - c.cc)
  if calm then s.pc:add(math.sqrt(c.cc * (2 - c.cc) * c.mass), step) end
  local rest = 1 - c.c1 - c.cmu + (calm and 0 or c.c1 * c.cc * (2 - c.cc))
  local weighted = torch.cmul(steps, c.weights:view(-1, 1):expandAs(steps))
  s.covariance:mul(rest):add(c.c1, torch.ger(s.pc, s.pc)):add(c.cmu, torch.mm(steps:t(), weighted))
  s.sigma = s.sigma * math.exp(c.cs / c.damping * (norm / c.length - 1))
  s.axes, s.lengths = axes_of(s.covariance)
end

local function sorted(values)
  local order = {}
  for i = 1, #values do order[i] = i end
  table.sort(order, function(a, b)
    local x, y = values[a], values[b]
    if x ~= x then x = math.huge end
    if y ~= y then y = math.huge end
    return x < y
  end)
  return order
end

--- x, {f...}, evaluations = optim.cmaes(opfunc, x, config), as in Torch7: of all that was tried the
-- best, and the best of each generation. opfunc(x) returns a value.
-- config: sigma = 0.5, the first step size; maxEval = 1000 n^2; ftarget, a value that suffices;
-- popsize = 4 + 3 log(n); verb_disp = 0, generations from line to line of a report;
-- min_iterations = 1, generations before ftarget counts.
local function cmaes(opfunc, x, config)
  config = config or {}
  local evaluate, place = functional.evaluator(opfunc, x)
  local spot = place:view(place:nElement())
  local n = spot:nElement()
  local population = config.popsize or 4 + math.floor(3 * math.log(n))
  if population < 2 then
    error(('optim.cmaes: a popsize of 2 or more expected, got %g'):format(population), 2)
  end
  local c, zeros = constants(n, population), torch.DoubleTensor(n):zero()
  local s = {mean = spot:double():clone(), sigma = config.sigma or 0.5, ps = zeros:clone(),
    pc = zeros:clone(), covariance = torch.eye(n):double()}
  s.axes, s.lengths = axes_of(s.covariance)
  local best, best_value, values, evals, generation = s.mean:clone(), math.huge, {}, 0, 0
  local report, most = config.verb_disp or 0, config.maxEval or 1000 * n * n
  repeat
    generation = generation + 1
    local steps = torch.mm(torch.cmul(torch.randn(population, n):double(),
      s.lengths:view(1, n):expand(population, n)), s.axes:t())
    local results = {}
    for i = 1, population do
      spot:copy(steps[i]:clone():mul(s.sigma):add(s.mean))
      results[i] = (evaluate())
      evals = evals + 1
      if results[i] < best_value then best, best_value = spot:double():clone(), results[i] end
    end
    local order = sorted(results)
    values[generation] = results[order[1]]
    local parents = torch.LongTensor(c.parents)
    for i = 1, c.parents do parents[i] = order[i] end
    adapt(s, c, steps:index(1, parents), generation)
    if report > 0 and generation % report == 0 then
      print(('optim.cmaes: generation %d, best %g, step size %g'):format(generation, best_value,
        s.sigma))
    end
    local enough = config.ftarget and best_value <= config.ftarget
      and generation >= (config.min_iterations or 1)
  until enough or evals >= most or s.sigma * s.lengths:max() < 1e-12 or s.sigma > 1e12
  spot:copy(best)
  return x, values, evals
end

return {cmaes = cmaes}
