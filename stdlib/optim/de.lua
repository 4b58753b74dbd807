--- Differential evolution, for functions without a gradient (Storn, Price 1997).
local torch = require 'torch'
local functional = require 'optim.functional'

local function whole(limit) return math.floor(torch.uniform() * limit) % limit + 1 end

-- Three members, none of them number i.
local function three_others(count, i)
  local list = {}
  while #list < 3 do
    local k = whole(count)
    if k ~= i and k ~= list[1] and k ~= list[2] then list[#list + 1] = k end
  end
  return list
end

--- x, {f} = optim.de(opfunc, x, config): of all that was tried the best. opfunc(x) returns a value;
-- x says how many numbers there are.
-- config: popsize = 10 times that; scaleFactor = 0.5; crossoverRate = 0.9; maxFEs = 1000 times the
-- number of numbers, evaluations; maxRegion = 30 and minRegion = -30, where to begin.
local function de(opfunc, x, config)
  config = config or {}
  local evaluate, place = functional.evaluator(opfunc, x)
  local spot = place:view(place:nElement())
  local size = spot:nElement()
  local count = config.popsize or 10 * size
  if count < 4 then
    error(('optim.de: a popsize of 4 or more expected, got %g'):format(count), 2)
  end
  local scale, rate = config.scaleFactor or 0.5, config.crossoverRate or 0.9
  local low, high = config.minRegion or -30, config.maxRegion or 30
  local most = config.maxFEs or 1000 * size
  local members, values, best = {}, {}, 1
  local function try(member)
    spot:copy(member)
    return (evaluate())
  end
  for i = 1, count do
    members[i] = spot:clone():uniform(low, high)
    values[i] = try(members[i])
    if values[i] < values[best] or values[best] ~= values[best] then best = i end
  end
  local evals = count
  while evals < most do
    for i = 1, count do
      local others = three_others(count, i)
      local mixed = members[others[1]]:clone():add(scale, members[others[2]])
        :add(-scale, members[others[3]])
      local kept = torch.rand(size):ge(rate)
      kept[whole(size)] = 0
      local child = torch.where(kept, members[i], mixed)
      local value = try(child)
      evals = evals + 1
      if value <= values[i] or values[i] ~= values[i] then
        members[i], values[i] = child, value
        if value < values[best] then best = i end
      end
    end
  end
  spot:copy(members[best])
  return x, {values[best]}
end

return {de = de}
