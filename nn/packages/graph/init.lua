--- Directed graphs of nodes that carry data: walking, sorting, drawing. nngraph is built on it.
local torch = require 'torch'

local graph = {}
torch.register_package('graph', graph)

require 'graph.Edge'
require 'graph.Node'
require 'graph.Graph'

local draw = require 'graph.draw'
graph.dot = draw.dot
graph.graphvizFile = draw.graphvizFile
graph.graphvizLayout = draw.graphvizLayout

return graph
