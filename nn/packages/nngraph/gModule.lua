--- The module of a graph of nodes: from the inputs to the outputs.
--
-- fg, bg                       the graph from inputs to outputs, and the other way
-- forwardnodes, backwardnodes  the nodes of each, in order
-- innode, outnode              the nodes before all inputs and behind all outputs
-- modules                      the modules in forward order, each once
local torch = require 'torch'
local run = require 'nn.run'
local plan = require 'nngraph.plan'
local names = require 'nngraph.names'
local building = require 'nngraph.building'
require 'nngraph.Node'
require 'nn.Container'

local gModule, Container = torch.class('nn.gModule', 'nn.Container')

-- A list of nodes; a single one may stand for itself.
local function list_of_nodes(given, what)
  if torch.isTypeOf(given, 'nngraph.Node') then return {given} end
  if type(given) ~= 'table' or torch.typename(given) then building.expect_node(given, what) end
  local count = 0
  for i in pairs(given) do count = math.max(count, type(i) == 'number' and i or 0) end
  if count == 0 then
    error(('nn.gModule: at least one node expected among the %s'):format(what), 0)
  end
  for i = 1, count do building.expect_node(given[i], ('%s[%d]'):format(what, i)) end
  return given
end

-- All that the outputs need, with a node behind them and one before the inputs.
local function backward_graph(inputs, outputs)
  local Node = torch.getconstructortable('nngraph.Node')
  local Edge = torch.getconstructortable('graph.Edge')
  local outnode = Node({input = {}})
  for _, node in ipairs(outputs) do outnode:add(node, true) end
  -- Copies: the program's own nodes stay as they are, for other graphs.
  local bg = outnode:graph():clone()
  local innode = Node({reverseMap = {}, gradOutput = {}})
  local by_data = {}
  for _, node in ipairs(bg.nodes) do by_data[node.data] = node end
  for i, input in ipairs(inputs) do
    local node = by_data[input.data]
    if not node then
      error(('dangling input: no output depends on inputs[%d], %s, it is unused'):format(i,
        names.of(input)), 0)
    end
    if #input.children > 0 then
      error(('inputs[%d], %s, takes its input from other nodes: a node without inputs expected')
        :format(i, names.of(input)), 0)
    end
    if innode.data.reverseMap[input.data] then
      error(('inputs[%d], %s, is there twice'):format(i, names.of(input)), 0)
    end
    innode.data.reverseMap[i] = input.data
    innode.data.reverseMap[input.data] = i
    bg:add(Edge(node, innode))
  end
  return bg, innode, by_data[outnode.data]
end

-- Each part of a split must lead somewhere, and all must come from the inputs.
local function check(self)
  for _, node in ipairs(self.fg.nodes) do
    local data = node.data
    if data.nSplitOutputs and data.nSplitOutputs ~= #node.children then
      error(('%d of split(%d) outputs from the node declared at %s are unused'):format(
        data.nSplitOutputs - #node.children, data.nSplitOutputs, data.annotations._debugLabel), 0)
    end
  end
  for _, root in ipairs(self.fg:roots()) do
    if root ~= self.innode then
      error(('dangling node: %s has no inputs, and is none of the inputs of nn.gModule'):format(
        names.of(root)), 0)
    end
  end
end

-- Lists the modules of the nodes.
local function collect(self)
  local seen = {}
  self.modules = {}
  for _, node in ipairs(self.forwardnodes) do
    local module = node.data.module
    if module and not seen[module] then
      seen[module] = true
      run.adopt(module)
      table.insert(self.modules, module)
    end
  end
end

--- inputs, outputs: lists of nodes. One input is taken as it is, several as a table; outputs are
-- given likewise.
function gModule:__init(inputs, outputs)
  Container.__init(self)
  inputs, outputs = list_of_nodes(inputs, 'inputs'), list_of_nodes(outputs, 'outputs')
  self.nInputs = #inputs
  self.verbose = false
  local innode
  self.bg, innode, self.outnode = backward_graph(inputs, outputs)
  local twins
  self.fg, twins = self.bg:reverse()
  self.innode, self.outnode = twins[innode], twins[self.outnode]
  check(self)
  self.forwardnodes = self.fg:topsort()
  self.backwardnodes = self.bg:topsort()
  for i, node in ipairs(self.forwardnodes) do node.data.forwardNodeId = i end
  collect(self)
end

function gModule:add()
  error(('%s: modules are added as nodes'):format(torch.type(self)), 2)
end

function gModule:updateOutput(input)
  return plan.run(self, input, run.call)
end

--- Runs the nodes in order by fn(module, input), or by a method of the modules of that name.
function gModule:runForwardFunction(fn, input)
  if type(fn) == 'string' then
    local name = fn
    fn = function(module, given) return module[name](module, given) end
  end
  return plan.run(self, input, fn)
end

--- Calls fn(module, module of the other) for the modules of two graphs of one form.
function gModule:map(other, fn)
  if #self.forwardnodes ~= #other.forwardnodes then
    error(('map: graphs of one form expected, got %d and %d nodes'):format(#self.forwardnodes,
      #other.forwardnodes), 2)
  end
  for i, node in ipairs(self.forwardnodes) do
    local twin = other.forwardnodes[i].data
    if (node.data.module == nil) ~= (twin.module == nil) then
      error(('map: the graphs differ at node %d'):format(i), 2)
    end
    if node.data.module then fn(node.data.module, twin.module) end
  end
end

--- Puts fn(module) in the place of each module; returns what takes the place of this one.
function gModule:replace(fn)
  local out = fn(self)
  if torch.type(out) ~= torch.type(self) then return out end
  local new = {}
  for _, node in ipairs(out.forwardnodes) do
    local module = node.data.module
    if module then
      new[module] = new[module] or module:replace(fn)
      node.data.module = new[module]
    end
  end
  collect(out)
  return out
end

-- Frees what the nodes keep of the last pass.
local function clear(self)
  for _, node in ipairs(self.forwardnodes) do
    node.data.input = node.data.input and {}
    node.data.gradOutput = node.data.gradOutput and {}
  end
end

function gModule:type(name, cache)
  if name ~= nil then clear(self) end
  return Container.type(self, name, cache)
end

function gModule:clearState()
  clear(self)
  return Container.clearState(self)
end

function gModule:write(file)
  clear(self)
  Container.write(self, file)
end

function gModule:read(file)
  Container.read(self, file)
  plan.forget(self)
  collect(self)
end

function gModule:__tostring__()
  return self.name or torch.type(self)
end
