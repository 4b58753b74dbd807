-- Shows rows as an aligned table, and writes them as JSON.
local show = {}

local ESCAPES = { ['"'] = '\\"', ['\\'] = '\\\\', ['\n'] = '\\n' }

local function encode(value, indent)
  if type(value) == 'string' then return '"' .. value:gsub('["\\\n]', ESCAPES) .. '"' end
  if type(value) == 'number' then return ('%.6g'):format(value) end
  if type(value) ~= 'table' then return tostring(value) end
  local inner, parts = indent .. '  ', {}
  if #value > 0 then
    for _, item in ipairs(value) do parts[#parts + 1] = inner .. encode(item, inner) end
    return '[\n' .. table.concat(parts, ',\n') .. '\n' .. indent .. ']'
  end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = ('"%s": %s'):format(key, encode(value[key], inner))
  end
  return '{' .. table.concat(parts, ', ') .. '}'
end

--- Numbers, strings, booleans, arrays and tables with string keys.
function show.json(value)
  return encode(value, '') .. '\n'
end

--- rows: arrays of strings, the first being the heads; the first column is left-aligned.
function show.print(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local pad = (' '):rep(widths[i] - #cell)
      cells[i] = i == 1 and cell .. pad or pad .. cell
    end
    print((table.concat(cells, '  '):gsub('%s+$', '')))
  end
end

return show
