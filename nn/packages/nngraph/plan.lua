--- How a gModule is run: its nodes in forward order as a list of steps. A step says which earlier
-- values it takes; the module is read from the node's data when it runs, as it may be replaced.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local debugging = require 'nngraph.debugging'

local plan = {}

-- gModule -> its steps. Not a field: a file or a clone makes its own.
local plans = setmetatable({}, {__mode = 'k'})

-- A step: data, sources (places of steps), or input: which of the inputs it takes (true: all).
local function make(net)
  local place, steps = {}, {}
  for i, node in ipairs(net.forwardnodes) do place[node.data] = i end
  local inner, outer = net.innode.data, net.outnode.data
  local order = inner.reverseMap or {}
  for i, node in ipairs(net.forwardnodes) do
    local data = node.data
    local step = {data = data}
    if data ~= inner and (order[data] or #data.mapindex == 0) then
      step.input = net.nInputs == 1 or order[data]
    elseif data ~= inner then
      step.sources = {}
      for k, source in ipairs(data.mapindex) do step.sources[k] = place[source] end
      step.bare = #step.sources == 1
    end
    if data == outer then steps.last = i end
    steps[i] = step
  end
  return steps
end

--- Forgets the steps, as after loading a file.
function plan.forget(net)
  plans[net] = nil
end

local function gather(step, done, input)
  if step.input then return step.input == true and input or input[step.input] end
  local sources = step.sources
  if step.bare then return done[sources[1]] end
  local given = {}
  for k = 1, #sources do given[k] = done[sources[k]] end
  return given
end

local function check_input(net, input)
  if net.nInputs == 1 then return end
  local got = type(input) == 'table' and #input or 1
  if type(input) ~= 'table' or got ~= net.nInputs then
    error(('Got %d inputs instead of %d'):format(got, net.nInputs), 0)
  end
end

local function check_split(data, value)
  if type(value) ~= 'table' then
    error(('split(%d) cannot split a %s: a table of outputs expected'):format(data.nSplitOutputs,
      torch.type(value)), 0)
  end
  if #value ~= data.nSplitOutputs then
    error(('split(%d) cannot split %d outputs'):format(data.nSplitOutputs, #value), 0)
  end
  return value
end

-- What a node gives, from what it is given.
local function output_of(data, given, call)
  if data.module then return call(data.module, given) end
  if data.selectindex then return given[data.selectindex] end
  if data.nSplitOutputs then return check_split(data, given) end
  return given
end

-- With setDebug(true): notes the gradient, and draws what fails.
local function watched(net, data, given, call)
  local ok, value = pcall(output_of, data, given, call)
  if not ok then
    local name = debugging.draw(net, data)
    error(('%s\n(the graph is drawn in %s, the node that failed in red: %s)'):format(
      tostring(value), name, data.annotations._debugLabel), 0)
  end
  data.gradOutput = {}
  return values.map(function(tensor)
    if not tensor.requires_grad then return tensor end
    local alias = tensor:detach()
    torch.record(function(d)
      table.insert(data.gradOutput, d)
      return d
    end, {tensor}, {alias})
    return alias
  end, value)
end

--- Runs the nodes in forward order; call(module, input) runs one.
function plan.run(net, input, call)
  local steps = plans[net]
  if not steps then
    steps = make(net)
    plans[net] = steps
  end
  check_input(net, input)
  local done, noting = {}, run.pass() ~= nil
  for i = 1, #steps do
    local step = steps[i]
    local data = step.data
    if step.input or step.sources then
      local given = gather(step, done, input)
      if noting then data.input = {values.detached(given)} end
      if debugging.on then
        done[i] = watched(net, data, given, call)
      else
        done[i] = output_of(data, given, call)
      end
    end
  end
  return done[steps.last]
end

return plan
