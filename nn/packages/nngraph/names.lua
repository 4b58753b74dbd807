--- What nodes are called in messages and drawings.
local torch = require 'torch'

local names = {}

-- The folders of our own files: where a node was made is the first place outside of them.
local source = debug and debug.getinfo and debug.getinfo(1, 'S').short_src or ''
local folder = source:match('^(.*)nngraph/names%.lua$')

-- The level, for the caller, of the first function outside of our packages.
local function outside()
  local level = 2
  while true do
    local info = debug.getinfo(level, 'S')
    if not info then return nil end
    local ours = folder and info.short_src:sub(1, #folder) == folder
      or info.short_src:find('torch/class.lua', 1, true)
    if info.what ~= 'C' and not ours then return level - 1 end
    level = level + 1
  end
end

--- Where the program makes the node that is made now: '[file]:line_function'.
function names.place()
  local level = folder and outside()
  local info = level and debug.getinfo(level, 'Sln')
  return info and ('[%s]:%d_%s'):format(info.short_src, info.currentline, info.name or '') or ''
end

--- Gives the nodes that are local variables of a function their names there: of the caller, or of
-- the one `level` calls further out. Names given before stay.
function names.annotate(level)
  level = (level or 1) + 1
  local i = 1
  while true do
    local name, value = debug.getlocal(level, i)
    if not name then return end
    if torch.isTypeOf(value, 'nngraph.Node') and not value.data.annotations.name then
      value:annotate({name = name})
    end
    i = i + 1
  end
end

--- A node in a message.
function names.of(node)
  local data = node.data
  local what = data.annotations.name or data.module and torch.type(data.module)
    or data.nSplitOutputs and ('split(%d)'):format(data.nSplitOutputs) or 'node'
  local place = data.annotations._debugLabel
  return place and place ~= '' and ('%s (declared at %s)'):format(what, place) or what
end

--- The shortest text that tells what a node does.
function names.short(node)
  local data = node.data
  if data.annotations.name then return data.annotations.name end
  if data.module then return tostring(data.module) end
  if data.nSplitOutputs then return ('split(%d)'):format(data.nSplitOutputs) end
  if data.selectindex then return ('output %d'):format(data.selectindex) end
  return ''
end

local function describe(value)
  if torch.isTensor(value) then
    return ('%s[%s]'):format(torch.type(value):match('[^.]*$'),
      table.concat(value:size():totable(), 'x'))
  end
  if type(value) ~= 'table' then return tostring(value) end
  local parts = {}
  for i, part in ipairs(value) do parts[i] = describe(part) end
  return '{' .. table.concat(parts, ', ') .. '}'
end

--- All there is to say about a node, a line for each thing.
function names.label(node)
  local data, lines = node.data, {}
  local function add(name, value)
    if value ~= nil then lines[#lines + 1] = name .. ' = ' .. value end
  end
  add('name', data.annotations.name)
  add('description', data.annotations.description)
  add('forwardNodeId', data.forwardNodeId)
  add('module', data.module and tostring(data.module))
  add('nSplitOutputs', data.nSplitOutputs)
  add('selectindex', data.selectindex)
  add('input', data.input and #data.input > 0 and describe(data.input) or nil)
  add('gradOutput', data.gradOutput and #data.gradOutput > 0 and describe(data.gradOutput) or nil)
  return table.concat(lines, '\n')
end

return names
