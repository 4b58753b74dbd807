--- A graph: lists of its nodes and edges, each with the way back (node -> its place).
local torch = require 'torch'
local walk = require 'graph.walk'

local Graph = torch.class('graph.Graph')

function Graph:__init()
  self.nodes, self.edges = {}, {}
end

--- Adds a node without an edge.
function Graph:addNode(node)
  if self.nodes[node] then return end
  table.insert(self.nodes, node)
  self.nodes[node] = #self.nodes
  node.id = #self.nodes
end

--- Adds an edge, or a list of edges, and the nodes at its ends.
function Graph:add(edge)
  if type(edge) ~= 'table' then
    error(('graph.Graph: an edge or a list of edges expected, got %s'):format(type(edge)), 2)
  end
  if not torch.isTypeOf(edge, 'graph.Edge') then
    for _, each in ipairs(edge) do self:add(each) end
    return
  end
  if not self.edges[edge] then
    table.insert(self.edges, edge)
    self.edges[edge] = #self.edges
  end
  self:addNode(edge.from)
  self:addNode(edge.to)
  edge.from:add(edge.to)
end

-- The same graph of new nodes with the same data, its edges turned round or not. Returns the way
-- from the old nodes to the new ones, too.
local function copy(self, turned)
  local Edge = torch.getconstructortable('graph.Edge')
  local out, new = self.new(), {}
  local function twin(node)
    if not new[node] then
      new[node] = node.new(node.data)
      new[node].marked = node.marked
    end
    return new[node]
  end
  for _, edge in ipairs(self.edges) do
    local from, to = twin(edge.from), twin(edge.to)
    if turned then from, to = to, from end
    out:add(Edge(from, to, edge.weight))
  end
  for _, node in ipairs(self.nodes) do out:addNode(twin(node)) end
  return out, new
end

--- A copy: new nodes and edges, the same data.
function Graph:clone()
  return copy(self, false)
end

--- A copy whose edges lead the other way.
function Graph:reverse()
  return copy(self, true)
end

--- Is there a way round?
function Graph:hasCycle()
  local seen, cycle = {}, false
  for _, node in ipairs(self.nodes) do cycle = walk.down(node, seen) or cycle end
  return cycle
end

--- The nodes that no edge leads to.
function Graph:roots()
  local reached, roots = {}, {}
  for _, edge in ipairs(self.edges) do reached[edge.to] = true end
  for _, node in ipairs(self.nodes) do
    if not reached[node] then roots[#roots + 1] = node end
  end
  return roots
end

--- The nodes that no edge leads away from.
function Graph:leaves()
  local left, leaves = {}, {}
  for _, edge in ipairs(self.edges) do left[edge.from] = true end
  for _, node in ipairs(self.nodes) do
    if not left[node] then leaves[#leaves + 1] = node end
  end
  return leaves
end

--- All nodes, each before those that edges lead to from it, otherwise in the order in which they
-- were added. Returns the reversed graph and the roots of this one, too. A graph with a cycle has
-- no such order: an error.
function Graph:topsort()
  local seen, after, cycle = {}, {}, false
  local roots = self:roots()
  local function add(node) after[#after + 1] = node end
  for i = #self.nodes, 1, -1 do
    cycle = walk.down(self.nodes[i], seen, nil, add, true) or cycle
  end
  if cycle then error('graph has cycles: there is no order of its nodes', 2) end
  local sorted = {}
  for i = #after, 1, -1 do sorted[#sorted + 1] = after[i] end
  return sorted, (self:reverse()), roots
end

--- The graph in the language of Graphviz.
function Graph:todot(title)
  return require('graph.draw').text(self, title)
end
