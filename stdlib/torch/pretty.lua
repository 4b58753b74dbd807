--- Tensors, storages and tables as text, in Torch7's layout.
local core = require 'torch.core'
local class = require 'torch.class'

local pretty = {}

local floor, abs, log10 = math.floor, math.abs, math.log10
local format, concat = string.format, table.concat
-- Lua 5.4 has no log10; its log(x, 10) is the same function of the C library.
log10 = log10 or function(x) return math.log(x, 10) end

local LINE_WIDTH = 80
-- Above this many values only the edges are printed, so that a prompt never hangs on a big tensor.
local WHOLE_LIMIT = 10000
local EDGE_ROWS, EDGE_COLUMNS, EDGE_SLICES = 10, 3, 2

-- ---------------------------------------------------------------------------------------------
-- One number format for all the values of a tensor.

-- Number of digits before the point (0 or less below 1); Torch7 counts one digit for zero.
local function exponent(magnitude)
  if magnitude == 0 then return 1 end
  return floor(log10(magnitude)) + 1
end

-- Lua 5.4's floor wants a number with an integer representation or gives back the float: infinity
-- passes, NaN too. `floor(huge)` in both VMs is huge.
local function scan(values)
  local integers, lowest, highest, nan = true, math.huge, 0, false
  for i = 1, #values do
    local value = values[i]
    if value ~= value then
      nan = true
    else
      local magnitude = abs(value)
      if integers and magnitude < math.huge and value ~= floor(value) then integers = false end
      if magnitude < lowest then lowest = magnitude end
      if magnitude > highest then highest = magnitude end
    end
  end
  return integers, lowest, highest, nan
end

-- The format, a scale factor that all values are divided by (or nil), and the width of a value.
local function choose_format(values)
  if #values == 0 then return '', nil, 0 end
  local integers, lowest, highest, nan = scan(values)
  -- Torch7's widths are computed from NaN here; what comes out is a plain `%f` without columns.
  if nan then return '%f', nil, nil end
  local smallest, largest = exponent(lowest), exponent(highest)
  if integers then
    if largest > 9 then return '%11.4e', nil, 11 end
    return '%' .. format('%d', largest + 1) .. 'd', nil, largest + 1
  end
  if largest - smallest > 4 then
    local wide = abs(largest) > 99 or abs(smallest) > 99
    return wide and '%12.4e' or '%11.4e', nil, wide and 12 or 11
  end
  if largest > 5 or largest < 0 then return '%7.4f', 10 ^ (largest - 1), 7 end
  local width = largest == 0 and 7 or largest + 6
  return '%' .. format('%d', width) .. '.4f', nil, width
end

-- The sign of a NaN is an accident of the hardware, and the two VMs print it differently.
local function number_text(pattern, value)
  if value ~= value then return 'nan' end
  return format(pattern, value)
end

-- ---------------------------------------------------------------------------------------------
-- The values to print: all of them, or the edges of each dimension.

-- Which indices of a dimension are shown: {true index...}, and after how many of them there is a
-- gap (nil when all are shown).
local function pick(size, edge)
  local shown = {}
  if size <= 2 * edge then
    for i = 1, size do shown[i] = i end
    return shown, nil
  end
  for i = 1, edge do
    shown[i] = i
    shown[edge + i] = size - edge + i
  end
  return shown, edge
end

local function append(out, values)
  local n = #out
  for i = 1, #values do out[n + i] = values[i] end
end

-- Appends the shown values of `t` in row-major order; `picks[d]` belongs to its first dimension.
local function gather(t, picks, d, out)
  local shown = picks[d]
  if d == #picks then
    if not shown.gap then return append(out, core.totable_flat(t)) end
    append(out, core.totable_flat(t:narrow(1, 1, shown.gap)))
    return append(out, core.totable_flat(t:narrow(1, t:size(1) - shown.gap + 1, shown.gap)))
  end
  for i = 1, #shown do gather(t:select(1, shown[i]), picks, d + 1, out) end
end

local function edge_of(d, dims)
  if d == dims and dims > 1 then return EDGE_COLUMNS end
  if d >= dims - 1 then return EDGE_ROWS end
  return dims > 4 and 1 or EDGE_SLICES
end

-- bool tensors may come as booleans: they print as 0 and 1, as Torch7's byte masks do.
local function as_numbers(values)
  if type(values[1]) == 'boolean' then
    for i = 1, #values do values[i] = values[i] and 1 or 0 end
  end
  return values
end

-- A grid: row-major `values`, and `picks`, one list of shown indices per dimension.
local function sample(t)
  local dims, whole = t:dim(), t:nElement() <= WHOLE_LIMIT
  local picks = {}
  for d = 1, dims do
    local size = t:size(d)
    local shown, gap = pick(size, whole and size or edge_of(d, dims))
    shown.gap = gap
    picks[d] = shown
  end
  local values
  if whole then
    values = core.totable_flat(t)
  else
    values = {}
    gather(t, picks, 1, values)
  end
  return {values = as_numbers(values), picks = picks, whole = whole}
end

-- ---------------------------------------------------------------------------------------------
-- Layout.

local function vector(grid, out)
  local pattern, scale = choose_format(grid.values)
  if scale then out[#out + 1] = format('%g *\n', scale) end
  scale = scale or 1
  for i, value in ipairs(grid.values) do
    out[#out + 1] = number_text(pattern, value / scale) .. '\n'
    if i == grid.picks[1].gap then out[#out + 1] = ' ...\n' end
  end
end

local function row_text(grid, layout, start, first, last)
  local parts, gap = {}, grid.picks[#grid.picks].gap
  for column = first, last do
    local value = grid.values[start + column] / layout.scale
    parts[#parts + 1] = number_text(layout.pattern, value)
    if column == gap then parts[#parts + 1] = '...' end
  end
  return concat(parts, ' ')
end

-- Columns first..last of a matrix whose first value is `offset + 1` in the grid.
local function column_group(grid, layout, offset, first, last, out)
  local picks, indent = grid.picks, layout.indent
  local rows, columns = picks[#picks - 1], #picks[#picks]
  local lead = indent
  if layout.scale ~= 1 then
    out[#out + 1] = format('%g', layout.scale) .. ' *\n ' .. indent
    lead = indent .. ' '
  end
  for row = 1, #rows do
    if row > 1 then out[#out + 1] = lead end
    out[#out + 1] = row_text(grid, layout, offset + (row - 1) * columns, first, last) .. '\n'
    if row == rows.gap then out[#out + 1] = lead .. ' ...\n' end
  end
end

local function matrix(grid, layout, offset, out)
  local columns = #grid.picks[#grid.picks]
  local indent = layout.indent
  -- Without a width (NaN) everything goes on one line.
  local per_line = layout.width and floor((LINE_WIDTH - #indent) / (layout.width + 1)) or columns
  if not grid.whole then per_line = columns end
  out[#out + 1] = indent
  for first = 1, columns, math.max(per_line, 1) do
    local last = math.min(first + per_line - 1, columns)
    if per_line < columns then
      if first > 1 then out[#out + 1] = '\n' end
      out[#out + 1] = format('Columns %d to %d\n', first, last) .. indent
    end
    column_group(grid, layout, offset, first, last, out)
  end
end

-- The slices of a tensor of more than two dimensions; as in Torch7 the first index runs fastest.
local function slices(grid, layout, out)
  local picks = grid.picks
  local outer = #picks - 2
  local stride, total = {}, 1
  local step = #picks[#picks] * #picks[#picks - 1]
  for d = outer, 1, -1 do
    stride[d] = step
    step = step * #picks[d]
    total = total * #picks[d]
  end
  for slice = 0, total - 1 do
    local rest, offset, label = slice, 0, {}
    for d = 1, outer do
      local i = rest % #picks[d]
      rest = floor(rest / #picks[d])
      offset = offset + i * stride[d]
      label[d] = format('%d,', picks[d][i + 1])
    end
    if slice > 0 then out[#out + 1] = '\n' end
    out[#out + 1] = '(' .. concat(label) .. '.,.) = \n'
    matrix(grid, layout, offset, out)
  end
end

local function sizes_text(t)
  local sizes = {}
  for d = 1, t:dim() do sizes[d] = format('%d', t:size(d)) end
  return concat(sizes, 'x')
end

--- A tensor as text that ends with a newline; one of no dimension reads like a number.
function pretty.tensor(t)
  local dims, count = t:dim(), t:nElement()
  local name = class.typename(t)
  -- Torch7's empty tensor has no dimension, ours may have one of size 0.
  if count == 0 and dims <= 1 then return '[' .. name .. ' with no dimension]\n' end
  if dims == 0 then return tostring(t:item()) end
  local out = {}
  if count > 0 then
    local grid = sample(t.detach and t:detach() or t)
    if dims == 1 then
      vector(grid, out)
    else
      local pattern, scale, width = choose_format(grid.values)
      local layout = {pattern = pattern, scale = scale or 1, width = width}
      layout.indent = dims > 2 and '  ' or ''
      if dims == 2 then matrix(grid, layout, 0, out) else slices(grid, layout, out) end
    end
    if not grid.whole then
      out[#out + 1] = format('[%d values: only the first and last of each dimension are shown]\n',
        count)
    end
  end
  out[#out + 1] = '[' .. name .. ' of size ' .. sizes_text(t) .. ']\n'
  return concat(out)
end

--- A storage as text: one value a line.
function pretty.storage(storage)
  local size = storage:size()
  local whole = size <= WHOLE_LIMIT
  local shown, gap = pick(size, whole and size or EDGE_ROWS)
  shown.gap = gap
  local values = {}
  for i, at in ipairs(shown) do values[i] = storage[at] end
  local out = {}
  vector({values = as_numbers(values), picks = {shown}}, out)
  if not whole then
    out[#out + 1] = format('[%d values: only the first and last are shown]\n', size)
  end
  out[#out + 1] = format('[%s of size %d]\n', class.typename(storage), size)
  return concat(out)
end

-- ---------------------------------------------------------------------------------------------
-- Tables and other values, for the prompt.

local MAX_DEPTH = 5
local MAX_ENTRIES = 1000

local function sort_keys(tbl)
  local keys = {}
  for key in pairs(tbl) do keys[#keys + 1] = key end
  local rank = {number = 1, string = 2}
  table.sort(keys, function(a, b)
    local ra, rb = rank[type(a)] or 3, rank[type(b)] or 3
    if ra ~= rb then return ra < rb end
    if ra < 3 then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function is_tensor(value)
  local name = class.typename(value)
  return name and type(value) == 'userdata' and name:find('Tensor$') ~= nil
end

local function is_storage(value)
  local name = class.typename(value)
  return name and type(value) == 'userdata' and name:find('Storage$') ~= nil
end

-- Does the object say by itself how it reads (a class with `__tostring__`, or a plain metatable)?
local function has_text(value)
  local mt = getmetatable(value)
  if type(mt) ~= 'table' then return false end
  if class.typename(value) then return mt.__tostring__ ~= nil or type(value) == 'userdata' end
  return rawget(mt, '__tostring') ~= nil
end

local dump

-- A value inside of a table: short, except for tables, which go on below.
local function entry(value, indent, depth)
  if type(value) == 'string' then return format('%q', value):gsub('\\\n', '\\n') .. '' end
  local short = (class.typename(value) or ''):gsub('^torch%.', '')
  if is_tensor(value) then
    if value:nElement() == 0 then return short .. ' - empty' end
    if value:dim() == 0 then return tostring(value) end
    return short .. ' - size: ' .. sizes_text(value)
  end
  if is_storage(value) then return short .. format(' - size: %d', value:size()) end
  if type(value) ~= 'table' then return tostring(value) end
  if has_text(value) then return (tostring(value):gsub('\n', '\n' .. indent .. '  ')) end
  if next(value) == nil then return short .. '{}' end
  if depth >= MAX_DEPTH then return short .. '{...}' end
  return short .. '\n' .. indent .. '  ' .. dump(value, indent .. '  ', depth + 1)
end

function dump(tbl, indent, depth)
  local out = {'{\n'}
  local keys = sort_keys(tbl)
  for i = 1, math.min(#keys, MAX_ENTRIES) do
    local key = keys[i]
    out[#out + 1] = format('%s  %s : %s\n', indent, tostring(key),
      entry(rawget(tbl, key), indent .. '  ', depth))
  end
  if #keys > MAX_ENTRIES then
    out[#out + 1] = format('%s  ... and %d more\n', indent, #keys - MAX_ENTRIES)
  end
  out[#out + 1] = indent .. '}'
  return concat(out)
end

--- Any value as the prompt shows it: tables one field a line with sorted keys, to a depth of 5.
function pretty.value(value)
  if type(value) ~= 'table' or has_text(value) then return tostring(value) end
  local name = class.typename(value)
  if next(value) == nil then return name or '{}' end
  return (name and name .. ' ' or '') .. dump(value, '', 1)
end

return pretty
