--- The way from one node to another.
local torch = require 'torch'

local Edge = torch.class('graph.Edge')

--- weight: anything that a program wants to keep with the edge.
function Edge:__init(from, to, weight)
  self.from, self.to, self.weight = from, to, weight
end
