--- A node of a network: its children are the nodes that it takes its input from.
--
-- data.module          what is run; absent for the parts of a split
-- data.mapindex        the inputs, in order, as the data of their nodes; and the place of each
-- data.annotations     name, description, graphAttributes, _debugLabel
-- data.nSplitOutputs   of a node that splits a table: how many parts there are
-- data.selectindex     of a part: which one
-- data.forwardNodeId   the place in the forward order of its gModule
-- data.input, data.gradOutput   what the last forward and backward of a gModule gave it
local torch = require 'torch'
local names = require 'nngraph.names'
require 'graph'

local Node, parent = torch.class('nngraph.Node', 'graph.Node')

function Node:__init(data)
  parent.__init(self, data)
  data = self.data
  data.annotations = data.annotations or {}
  data.mapindex = data.mapindex or {}
  if not data.annotations._debugLabel then data.annotations._debugLabel = names.place() end
end

--- Adds a child; with domap as the next input.
function Node:add(child, domap)
  parent.add(self, child)
  if not domap then return end
  local mapindex = self.data.mapindex
  if mapindex[child.data] then
    error(("Don't pass the same input twice: %s"):format(names.of(child)), 0)
  end
  table.insert(mapindex, child.data)
  mapindex[child.data] = #mapindex
end

--- The parts of a node whose output is a table of `count` values, as so many nodes.
function Node:split(count)
  if type(count) ~= 'number' or count < 1 or count % 1 ~= 0 then
    error(('split: a number of outputs from 1 expected, got %s'):format(tostring(count)), 2)
  end
  if count == 1 then return torch.getconstructortable('nngraph.JustElement')()(self) end
  local all = self.new({nSplitOutputs = count})
  all:add(self, true)
  local parts = {}
  for i = 1, count do
    parts[i] = self.new({selectindex = i})
    parts[i]:add(all, true)
  end
  return (table.unpack or unpack)(parts)
end

--- Notes a name, a description or graphAttributes (of Graphviz) for drawings and messages.
function Node:annotate(annotations)
  for name, value in pairs(annotations) do self.data.annotations[name] = value end
  return self
end

--- The name that a drawing calls the node by.
function Node:graphNodeName()
  if self.data.annotations.name then return self.data.annotations.name end
  return 'Node' .. (self.data.forwardNodeId or self.id)
end

function Node:graphNodeAttributes()
  local attributes = {tooltip = self.data.annotations._debugLabel}
  for name, value in pairs(self.data.annotations.graphAttributes or {}) do
    attributes[name] = value
  end
  if self.marked then attributes.color = 'red' end
  return attributes
end

--- The text of the node in a drawing.
function Node:label()
  return names.label(self)
end
