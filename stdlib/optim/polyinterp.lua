--- Minimum of the polynomial through some points.
local torch = require 'torch'

-- Value of the polynomial with these coefficients, the constant first.
local function value_at(coefficients, x)
  local sum = 0
  for k = #coefficients, 1, -1 do sum = sum * x + coefficients[k] end
  return sum
end

-- Real roots of a polynomial, as eigenvalues of its companion matrix.
local function real_roots(coefficients)
  local n = #coefficients - 1
  while n > 0 and coefficients[n + 1] == 0 do n = n - 1 end
  if n < 1 then return {} end
  local companion = torch.zeros(n, n):double()
  for k = 1, n do
    companion[k][n] = -coefficients[k] / coefficients[n + 1]
    if k > 1 then companion[k][k - 1] = 1 end
  end
  if companion:sum() ~= companion:sum() or companion:abs():max() == math.huge then return {} end
  local values, roots = torch.eig(companion), {}
  for k = 1, n do
    if math.abs(values[k][2]) < 1e-8 * math.max(1, math.abs(values[k][1])) then
      roots[#roots + 1] = values[k][1]
    end
  end
  return roots
end

-- Each known value and slope of a point is one equation for the coefficients.
local function coefficients_of(rows)
  local equations, right = {}, {}
  for _, row in ipairs(rows) do
    for order = 0, 1 do
      local known = row[2 + order]
      if known == known then right[#right + 1] = {row[1], known, order} end
    end
  end
  local n = #right
  for i, equation in ipairs(right) do
    local line, x = {}, equation[1]
    for k = 1, n do
      line[k] = equation[3] == 0 and x ^ (k - 1) or k > 1 and (k - 1) * x ^ (k - 2) or 0
    end
    equations[i] = line
  end
  local values = torch.DoubleTensor(n, 1)
  for i = 1, n do values[i][1] = right[i][2] end
  local ok, solution = pcall(torch.gesv, values, torch.DoubleTensor(equations))
  return ok and solution:view(n):totable() or nil
end

-- Of a cubic polynomial through two points with their slopes, in closed form (Nocedal, Wright
-- 2006, 3.59).
local function cubic(a, b, low, high)
  if a[1] > b[1] then a, b = b, a end
  local d1 = a[3] + b[3] - 3 * (a[2] - b[2]) / (a[1] - b[1])
  local square = d1 * d1 - a[3] * b[3]
  if square < 0 or square ~= square then return (low + high) / 2 end
  local d2 = math.sqrt(square)
  local place = b[1] - (b[1] - a[1]) * (b[3] + d2 - d1) / (b[3] - a[3] + 2 * d2)
  if place ~= place then return (low + high) / 2 end
  return math.min(math.max(place, low), high)
end

--- optim.polyinterp(points [, low, high]): where the polynomial through the points is least, from
-- low to high, by default the span of the points. points: a tensor or table of rows {x, value,
-- slope}, with NaN for what is not known.
local function polyinterp(points, low, high)
  local rows = torch.isTensor(points) and points:totable() or points
  if #rows < 2 then error('optim.polyinterp: two points or more expected', 2) end
  local least, most = math.huge, -math.huge
  local complete = #rows == 2
  for _, row in ipairs(rows) do
    least, most = math.min(least, row[1]), math.max(most, row[1])
    complete = complete and row[2] == row[2] and row[3] == row[3]
  end
  low, high = low or least, high or most
  if complete then return cubic(rows[1], rows[2], low, high) end
  local coefficients = coefficients_of(rows)
  if not coefficients then return (low + high) / 2 end
  local slopes = {}
  for k = 2, #coefficients do slopes[k - 1] = (k - 1) * coefficients[k] end
  local places = real_roots(slopes)
  for _, row in ipairs(rows) do places[#places + 1] = row[1] end
  places[#places + 1], places[#places + 2] = low, high
  local best, best_value = (low + high) / 2, math.huge
  for _, place in ipairs(places) do
    local value = value_at(coefficients, place)
    if place >= low and place <= high and value < best_value then
      best, best_value = place, value
    end
  end
  return best
end

return {polyinterp = polyinterp}
