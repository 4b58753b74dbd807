--- Shorthands for the makers in spec/nn/cases.
local cases = {}

local unpack = table.unpack or unpack

--- A function that makes nn[name](...).
function cases.make(name, ...)
  local arguments, count = {...}, select('#', ...)
  return function() return nn[name](unpack(arguments, 1, count)) end
end

--- A function that makes a container with these makers' modules.
function cases.with(make, ...)
  local makers = {...}
  return function()
    local container = make()
    for _, maker in ipairs(makers) do container:add(maker()) end
    return container
  end
end

--- A function that makes normal numbers of these sizes; of a table of sizes or of more tables, a
-- table of them.
function cases.randn(...)
  local sizes = {...}
  local function draw(spec)
    if type(spec[1]) == 'number' then return torch.randn(torch.LongStorage(spec)) end
    local list = {}
    for i, part in ipairs(spec) do list[i] = draw(part) end
    return list
  end
  return function() return draw(sizes) end
end

--- Numbers from 1 to 2: positive ones, away from 0.
function cases.positive(...)
  local draw = cases.randn(...)
  local function lift(value)
    if type(value) ~= 'table' then return value:uniform(1, 2) end
    for i, part in ipairs(value) do value[i] = lift(part) end
    return value
  end
  return function() return lift(draw()) end
end

--- A function that makes integers.
function cases.integers(...)
  local list = {...}
  return function() return torch.LongTensor(list) end
end

return cases
