--- Modules that are called with nodes instead of tensors give a node.
local torch = require 'torch'
local nn = require 'nn'

local building = {}

local function is_node(value)
  return torch.isTypeOf(value, 'nngraph.Node')
end

--- Raises the error for what should be a node; `where` names it: 'inputs[2]'.
function building.expect_node(value, where)
  if is_node(value) then return value end
  if value == nil then
    error(('%s is nil, an nngraph.Node expected (a typo, or a bad index?)'):format(where), 0)
  end
  if torch.isTypeOf(value, 'nn.Module') then
    local name = torch.type(value)
    error(('%s is the module %s, an nngraph.Node expected: missing parentheses? %s(...) is a '
      .. 'module, %s(...)() a node'):format(where, name, name, name), 0)
  end
  error(('%s is a %s, an nngraph.Node expected'):format(where, torch.type(value)), 0)
end

-- Is the table meant as a list of nodes? Modules among them are a slip that gets its message.
local function is_list_of_nodes(value)
  for _, part in pairs(value) do
    if is_node(part) or torch.isTypeOf(part, 'nn.Module') then return true end
  end
  return false
end

-- The node of a module with these inputs: a node, a list of nodes, or nothing.
local function make_node(module, input)
  local node = torch.getconstructortable('nngraph.Node')({module = module})
  if is_node(input) then
    node:add(input, true)
  elseif input ~= nil then
    local count = 0
    for i in pairs(input) do count = math.max(count, type(i) == 'number' and i or 0) end
    for i = 1, count do
      node:add(building.expect_node(input[i], ('inputs[%d]'):format(i)), true)
    end
  end
  return node
end

-- Node or not, that is the question; tensors, which are most of what comes, are told first.
local function replace_call(class, build)
  local Class = torch.getmetatable(class)
  local run = Class.__call__
  Class.__call__ = function(self, ...)
    local input, second = ...
    if type(input) == 'userdata' then return run(self, input, second) end
    if input == nil then
      if select('#', ...) > 0 then building.expect_node(nil, 'inputs[1]') end
      return build(self)
    end
    if is_node(input) or type(input) == 'table' and is_list_of_nodes(input) then
      if select('#', ...) > 1 then
        error('Use {input1, input2} to pass multiple inputs.', 2)
      end
      return build(self, input)
    end
    if torch.isTypeOf(input, 'nn.Module') then building.expect_node(input, 'inputs[1]') end
    return run(self, input, second)
  end
end

--- From now on modules and criterions may be called with nodes, and modules be chained: a - m is
-- m(a), -m is m().
function building.enable()
  local Module = torch.getmetatable('nn.Module')
  replace_call('nn.Module', make_node)
  replace_call('nn.Criterion', function(criterion, input)
    return make_node(nn.ModuleFromCriterion(criterion), input)
  end)
  function Module:__unm__() return self() end
  function Module.__sub__(before, module)
    if not torch.isTypeOf(module, 'nn.Module') then building.expect_node(module, 'a - m: m') end
    return module(before)
  end
end

--- A node whose output is a table, nested as the nodes are: nngraph.nest({a, {b, c}}).
function building.nest(given)
  if is_node(given) then return given end
  if type(given) ~= 'table' or torch.typename(given) then
    building.expect_node(given, 'nest: its argument')
  end
  local nodes = {}
  for i, part in ipairs(given) do nodes[i] = building.nest(part) end
  if #nodes == 0 then error('nngraph.nest: a node or a table of nodes expected, got {}', 2) end
  if #nodes == 1 then return torch.getconstructortable('nngraph.JustTable')()(nodes[1]) end
  return nn.Identity()(nodes)
end

return building
