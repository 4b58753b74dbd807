--- Networks as graphs: a module called with nodes gives a node, nn.gModule makes a module of them.
--
--   local x = nn.Identity()()
--   local h = nn.Tanh()(nn.Linear(10, 20)(x))         -- or  x - nn.Linear(10, 20) - nn.Tanh()
--   local net = nn.gModule({x}, {nn.Linear(20, 1)(h)})
local torch = require 'torch'
local nn = require 'nn'
local graph = require 'graph'

local nngraph = {}
torch.register_package('nngraph', nngraph)

require 'nngraph.Node'
require 'nngraph.JustElement'
require 'nngraph.JustTable'
require 'nngraph.gModule'
require('nngraph.building').enable()

local names = require 'nngraph.names'
local draw = require 'graph.draw'

nngraph.nest = require('nngraph.building').nest
nngraph.annotateNodes = names.annotate
nngraph.setDebug = require('nngraph.debugging').set

--- Draws a gModule, a node with all before it or a graph into a temporary file; returns what
-- graph.dot does.
function nngraph.display(net)
  local drawn = net.fg or net
  if not drawn.todot then drawn = drawn:graph() end
  return graph.dot(drawn, net.name or 'nngraph')
end

--- Drawings without the details: the names of modules only.
nngraph.simple_print = {}

function nngraph.simple_print.todot(net, title)
  return draw.text(net, title, names.short)
end

function nngraph.simple_print.dot(net, title, name)
  return draw.dot(net, title, name, nngraph.simple_print.todot(net, title))
end

-- Programs read nn from here on: `nn.gModule`.
assert(nn.gModule)

return nngraph
