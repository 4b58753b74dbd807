-- Graphs of nodes: building, walking, sorting, drawing.
local torch = require 'torch'
local graph = require 'graph'

-- Nodes named a, b, ...; edges as 'ab'.
local function make(...)
  local g, nodes = graph.Graph(), {}
  for _, edge in ipairs {...} do
    local from, to = edge:sub(1, 1), edge:sub(2, 2)
    for _, name in ipairs {from, to} do
      nodes[name] = nodes[name] or graph.Node({name = name})
    end
    g:add(graph.Edge(nodes[from], nodes[to]))
  end
  return g, nodes
end

local function names(nodes)
  local list = {}
  for i, node in ipairs(nodes) do list[i] = node.data.name end
  return table.concat(list)
end

local function sorted(nodes)
  local list = {}
  for i, node in ipairs(nodes) do list[i] = node.data.name end
  table.sort(list)
  return table.concat(list)
end

describe('graph', function()
  it('is a package: a global of programs that require it', function()
    local program = require 'spec.vm.program'
    local output = program.run('-e ' .. program.quote(
      'print(rawget(_G, "graph")) require "graph" print(type(graph.Graph))'))
    assert.equal('nil\ntable\n', output)
  end)

  it('knows roots and leaves, and sorts', function()
    local g = make('ab', 'ac', 'bd', 'cd', 'de')
    assert.equal(5, #g.nodes)
    assert.equal(5, #g.edges)
    assert.equal('a', names(g:roots()))
    assert.equal('e', names(g:leaves()))
    local order, reversed, roots = g:topsort()
    local place = {}
    for i, node in ipairs(order) do place[node] = i end
    for _, edge in ipairs(g.edges) do assert.is_true(place[edge.from] < place[edge.to]) end
    assert.equal('e', names(reversed:roots()))
    assert.equal('a', names(roots))
  end)

  it('finds cycles', function()
    assert.is_false((make('ab', 'ac', 'bc')):hasCycle())
    local g, nodes = make('ab', 'bc', 'ca', 'dd')
    assert.is_true(g:hasCycle())
    assert.is_true(nodes.a:hasCycle())
    assert.is_true(nodes.d:hasCycle())
    local ok, message = pcall(g.topsort, g)
    assert.is_false(ok)
    assert.matches('cycle', message)
  end)

  it('is copied, and turned round, with the same data', function()
    local g, nodes = make('ab', 'bc')
    local copy = g:clone()
    assert.is_true(copy.nodes[1] ~= g.nodes[1] and copy.nodes[1].data == g.nodes[1].data)
    local back, map = g:reverse()
    assert.equal('c', names(back:roots()))
    assert.equal(1, #map[nodes.b].children)
    assert.equal(nodes.a.data, map[nodes.b].children[1].data)
    assert.equal('b', names(nodes.a.children))
  end)

  it('is walked from a node, each node once', function()
    local _, nodes = make('ab', 'ac', 'bd', 'cd', 'ea')
    local deep, wide, way = {}, {}, {}
    nodes.a:dfs(function(node) deep[#deep + 1] = node end)
    nodes.a:bfs(function(node) wide[#wide + 1] = node end)
    nodes.a:visit(function(node) way[#way + 1] = node.data.name end,
      function(node) way[#way + 1] = node.data.name:upper() end)
    assert.equal('abcd', sorted(deep))
    assert.equal('a', deep[4].data.name)
    assert.equal('abcd', names(wide))
    assert.equal('abdDBcCA', table.concat(way))
    assert.equal('abcd', sorted(nodes.a:graph().nodes))
  end)

  it('may be a chain of any length', function()
    local first = graph.Node({})
    local last = first
    for _ = 1, 20000 do
      local node = graph.Node({})
      last:add(node)
      last = node
    end
    local order = first:graph():topsort()
    assert.equal(20001, #order)
    assert.is_true(order[1].data == first.data and order[20001].data == last.data)
  end)

  it('keeps a child once, and refuses what is none', function()
    local a, b = graph.Node('a'), graph.Node('b')
    a:add({b, b})
    assert.equal(1, #a.children)
    assert.has_error(function() a:add(3) end)
    assert.has_error(function() graph.Graph():add(3) end)
  end)

  it('is written for Graphviz, and drawn where that is installed', function()
    local g = make('ab')
    g.nodes[1].data.name = 'say "a"'
    local text = g:todot('title')
    assert.matches('digraph', text)
    assert.matches('n1 %-> n2', text)
    assert.matches('say \\"a\\"', text)
    local name = os.tmpname()
    local stderr = io.stderr
    local message = ''
    rawset(io, 'stderr', {write = function(_, ...) message = message .. table.concat {...} end})
    local drawn, what = graph.dot(g, 'title', name)
    rawset(io, 'stderr', stderr)
    local file = assert(io.open(name .. '.dot'))
    assert.equal(text, file:read('*a'))
    file:close()
    if drawn then assert.equal(name .. '.svg', what) else assert.matches('not found', message) end
    for _, ending in ipairs {'', '.dot', '.svg'} do os.remove(name .. ending) end
    assert.has_error(function() graph.graphvizFile(g, 'rm -r', 'x.svg') end)
    assert.has_error(function() graph.graphvizFile(g, 'dot', 'x') end)
    local places, why = graph.graphvizLayout(g)
    if places then assert.same({2, 2}, places:size():totable()) else assert.matches('dot', why) end
  end)

  it('survives a file', function()
    local g = make('ab', 'ac')
    local copy = torch.deserialize(torch.serialize(g))
    assert.equal(3, #copy.nodes)
    assert.equal(1, copy.nodes[copy.nodes[1]])
    assert.equal('a', names(copy:roots()))
  end)
end)
