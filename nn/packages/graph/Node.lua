--- A node: some data, and the nodes that edges lead to from here, its children.
local torch = require 'torch'
local walk = require 'graph.walk'

local Node = torch.class('graph.Node')

--- data: what the node stands for; several nodes may share it.
function Node:__init(data)
  self.data = data or {}
  self.id = 0
  self.children = {} -- a list, and the place of each child in it
  self.marked = false
end

--- Adds a child, or a list of them; one that is there already stays where it is.
function Node:add(child)
  if torch.typename(child) == nil and type(child) == 'table' then
    for _, each in ipairs(child) do self:add(each) end
    return
  end
  if not torch.isTypeOf(child, 'graph.Node') then
    error(('graph.Node: a node expected as a child, got %s'):format(torch.type(child)), 2)
  end
  if self.children[child] then return end
  table.insert(self.children, child)
  self.children[child] = #self.children
end

--- Calls before(node) on the way down to each node that can be reached, after(node) on the way up.
function Node:visit(before, after)
  walk.down(self, {}, before, after)
end

--- Calls fn(node) for each node that can be reached, depth first, after its children.
function Node:dfs(fn)
  walk.down(self, {}, nil, fn)
end

--- Calls fn(node) for each node that can be reached, the nearest first.
function Node:bfs(fn)
  local queue, seen, first = {self}, {[self] = true}, 1
  while queue[first] do
    local node = queue[first]
    first = first + 1
    fn(node)
    for _, child in ipairs(node.children) do
      if not seen[child] then
        seen[child] = true
        queue[#queue + 1] = child
      end
    end
  end
end

--- Does a way lead from here round to a node that it has passed?
function Node:hasCycle()
  return walk.down(self, {})
end

--- The graph of all that can be reached from here.
function Node:graph()
  local found = require('graph').Graph()
  found:addNode(self)
  self:bfs(function(node)
    for _, child in ipairs(node.children) do
      found:add(require('graph').Edge(node, child))
    end
  end)
  return found
end

--- What a drawing calls the node.
function Node:label()
  if type(self.data) ~= 'table' then return tostring(self.data) end
  local lines, names = {}, {}
  for name in pairs(self.data) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = self.data[name]
    if type(value) ~= 'table' then lines[#lines + 1] = name .. ' = ' .. tostring(value) end
  end
  return table.concat(lines, '\n')
end

function Node:graphNodeName()
  return 'Node' .. self.id
end

function Node:graphNodeAttributes()
  return {}
end
