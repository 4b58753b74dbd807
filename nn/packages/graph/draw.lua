--- Drawings of graphs with Graphviz: its language is written here, its programs do the rest.
local torch = require 'torch'

local draw = {}

local function quote(text)
  return '"' .. text:gsub('\\', '\\\\'):gsub('"', '\\"'):gsub('\n', '\\l') .. '"'
end

local function attributes_of(node)
  local given = node.graphNodeAttributes and node:graphNodeAttributes() or {}
  local names, list = {}, {}
  for name in pairs(given) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    list[#list + 1] = (', %s=%s'):format(name, quote(tostring(given[name])))
  end
  return table.concat(list)
end

--- The graph in the language of Graphviz. label(node) gives other texts than node:label().
function draw.text(graph, title, label)
  local lines = {'digraph G {', 'labelloc="t";', ('label=%s;'):format(quote(title or '')),
    'node [shape = oval];'}
  for i, node in ipairs(graph.nodes) do
    local text = label and label(node) or 'Node' .. i .. '\n' .. node:label() .. '\n'
    lines[#lines + 1] = ('n%d [label=%s%s];'):format(i, quote(text), attributes_of(node))
  end
  for _, edge in ipairs(graph.edges) do
    lines[#lines + 1] = ('n%d -> n%d;'):format(graph.nodes[edge.from], graph.nodes[edge.to])
  end
  lines[#lines + 1] = '}\n'
  return table.concat(lines, '\n')
end

local function shell_quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- What a command prints; nil when it cannot be run or says that it failed.
local function output_of(command)
  if not io.popen then return nil end
  local pipe = io.popen(command .. ' 2>/dev/null && echo ok', 'r')
  local text = pipe and pipe:read('*a') or ''
  if pipe then pipe:close() end
  return text:match('^(.*)ok\n$')
end

-- Which of Graphviz's programs there are. A name goes into a command: letters only.
local function program(name)
  if type(name) ~= 'string' or not name:match('^%a+$') then
    error(("graph: the name of a layout such as 'dot' or 'neato' expected, got %s"):format(
      tostring(name)), 3)
  end
  if output_of('command -v ' .. name) then return name end
  return nil, ("the program '%s' of Graphviz was not found"):format(name)
end

local function write_file(name, text)
  local file, why = io.open(name, 'w')
  if not file then error(('graph: cannot write %s'):format(why), 3) end
  file:write(text)
  file:close()
end

--- Draws the graph into a file; the name's ending tells the format (.svg, .png, .pdf). algorithm:
-- 'dot' (default), 'neato', 'circo', ... Returns true, or false and the reason.
function draw.graphvizFile(graph, algorithm, name)
  if name == nil then algorithm, name = 'dot', algorithm end
  local format = type(name) == 'string' and name:match('%.(%w+)$')
  if not format then
    error(("graph.graphvizFile: a file name that ends in .svg, .png, ... expected, got %s"):format(
      tostring(name)), 2)
  end
  local found, why = program(algorithm)
  if not found then return false, why end
  local source = os.tmpname()
  write_file(source, graph:todot())
  local done = output_of(('%s -T%s -o %s %s'):format(found, format, shell_quote(name),
    shell_quote(source)))
  os.remove(source)
  if not done then return false, ("'%s' could not draw the graph"):format(found) end
  return true
end

--- Where Graphviz would put the nodes: a matrix with a row (x, y) for each. Returns nil and the
-- reason when its program is missing.
function draw.graphvizLayout(graph, algorithm)
  local found, why = program(algorithm or 'dot')
  if not found then return nil, why end
  local source = os.tmpname()
  write_file(source, graph:todot())
  local text = output_of(('%s -Tplain %s'):format(found, shell_quote(source)))
  os.remove(source)
  if not text then return nil, ("'%s' could not draw the graph"):format(found) end
  local places = torch.zeros(#graph.nodes, 2)
  for i, x, y in text:gmatch('\nnode n(%d+) (%S+) (%S+)') do
    places[tonumber(i)][1], places[tonumber(i)][2] = tonumber(x), tonumber(y)
  end
  return places
end

--- Writes NAME.dot, and draws NAME.svg where Graphviz is installed; says so where it is not. A
-- temporary file is taken when there is no name. Returns true and the name of the drawing, or false
-- and the reason why there is none.
function draw.dot(graph, title, name, text)
  name = name or os.tmpname()
  write_file(name .. '.dot', text or graph:todot(title))
  local found, why = program('dot')
  local drawn = found and output_of(('dot -Tsvg -o %s %s'):format(shell_quote(name .. '.svg'),
    shell_quote(name .. '.dot')))
  if drawn then return true, name .. '.svg' end
  why = ('%s.dot is written, %s.svg is not: %s'):format(name, name, why or "'dot' failed")
  io.stderr:write('graph.dot: ', why, '\n')
  return false, why
end

return draw
