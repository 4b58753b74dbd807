--- A module that works on several GPUs at once: each has a replica and computes its part of the
-- batch. The parameters are those of the module that was added; replicas get them with each
-- forward, and what they learn comes back along the same way. With one GPU, or where there is none,
-- the module just runs.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local conversion = require 'nn.conversion'
require 'nn.Container'

local DataParallelTable, Container = torch.class('nn.DataParallelTable', 'nn.Container')

--- dimension: that of the batch in all inputs. flattenParams: true to have all parameters in one
-- storage. usenccl: taken for the sake of old programs.
function DataParallelTable:__init(dimension, flattenParams, usenccl)
  if type(dimension) ~= 'number' or dimension < 1 or dimension % 1 ~= 0 then
    error(('nn.DataParallelTable: the dimension of the batch expected, got %s'):format(
      tostring(dimension)), 3)
  end
  Container.__init(self)
  self.dimension = dimension
  self.flattenParams, self.usenccl = flattenParams or false, usenccl or false
  self.gpuAssignments = {}
end

local function check_devices(devices)
  if type(devices) == 'number' then devices = {devices} end
  if type(devices) ~= 'table' or #devices == 0 then
    error('nn.DataParallelTable: a list of numbers of GPUs expected', 3)
  end
  local count = torch.cuda.device_count()
  for _, i in ipairs(devices) do
    if type(i) ~= 'number' or i % 1 ~= 0 or i < 1 or count > 0 and i > count then
      error(('nn.DataParallelTable: numbers of GPUs, 1 to %d, expected, got %s'):format(count,
        tostring(i)), 3)
    end
  end
  return devices
end

--- The module, and the numbers of the GPUs: add(module, {1, 2}). It goes to the first of them.
function DataParallelTable:add(module, devices)
  devices = check_devices(devices)
  if #self.modules > 0 then
    error('nn.DataParallelTable: it has a module already, and makes the replicas itself', 2)
  end
  Container.add(self, module)
  self.gpuAssignments = devices
  if torch.cuda.is_available() then module:cuda(devices[1]) end
  if self.flattenParams then self.flattenedParams = {module:getParameters()} end
  return self
end

-- Replicas are made when they are needed, and are in no file.
local replicas = setmetatable({}, {__mode = 'k'})

local function replica_of(self, k)
  local list = replicas[self] or {}
  replicas[self] = list
  local master = self.modules[1]
  if not list[k] or list[k].of ~= master then
    list[k] = {of = master, module = conversion.clone(master):cuda(self.gpuAssignments[k])}
  end
  return list[k].module
end

-- Every parameter of the replica is now the result of a copy of the master's, so that its gradient
-- goes there; all else is copied.
local function feed(master, replica, device, seen)
  if seen[master] then return end
  seen[master] = true
  for key, value in next, master do
    local mine = rawget(replica, key)
    if torch.isTensor(value) and not (type(key) == 'string' and key:find('^grad')) then
      if value.is_leaf and value.requires_grad then
        rawset(replica, key, value:cuda(device))
      elseif key ~= 'output' and torch.isTensor(mine) then
        torch.no_grad(mine.copy, mine:resizeAs(value), value)
      end
    elseif type(value) == 'table' and type(mine) == 'table' then
      feed(value, mine, device, seen)
    elseif type(value) ~= 'table' and type(value) ~= 'userdata' then
      rawset(replica, key, value)
    end
  end
end

local function batch_size(value, dimension)
  local first = values.list_of(value)[1]
  if not first or first:dim() < dimension then
    error(('an input with a batch in dimension %d expected'):format(dimension), 0)
  end
  return first:size(dimension)
end

-- Part k of n of the input, on its device; as even as can be.
local function part_of(value, dimension, k, n, device)
  local size = batch_size(value, dimension)
  local first, last = math.floor((k - 1) * size / n) + 1, math.floor(k * size / n)
  return values.map(function(x)
    return x:narrow(dimension, first, last - first + 1):cuda(device)
  end, value)
end

-- The outputs of all, on the first device, in one.
local function join(parts, dimension, device)
  if torch.isTensor(parts[1]) then
    for k, part in ipairs(parts) do parts[k] = part:cuda(device) end
    return torch.cat(parts, dimension)
  end
  local out = {}
  for key in pairs(parts[1]) do
    local list = {}
    for k, part in ipairs(parts) do list[k] = part[key] end
    out[key] = join(list, dimension, device)
  end
  return out
end

function DataParallelTable:updateOutput(input)
  local module, devices = self.modules[1], self.gpuAssignments
  if not module then error('it has no module yet: see add', 0) end
  if not torch.cuda.is_available() then return run.call(module, input) end
  local count = math.min(#devices, batch_size(input, self.dimension))
  if count <= 1 then
    return run.call(module, values.map(function(x) return x:cuda(devices[1]) end, input))
  end
  local parts = {}
  for k = 1, count do
    local replica = k == 1 and module or replica_of(self, k)
    if k > 1 then feed(module, replica, devices[k], {}) end
    parts[k] = run.call(replica, part_of(input, self.dimension, k, count, devices[k]))
  end
  return join(parts, self.dimension, devices[1])
end

--- The module goes to its first GPU, whichever is asked for.
function DataParallelTable:cuda()
  if self.gpuAssignments[1] then return Container.cuda(self, self.gpuAssignments[1]) end
  return Container.cuda(self)
end

--- Threads are not needed: GPUs work while the program goes on. init(1) is called all the same.
function DataParallelTable:threads(init)
  if init then init(1) end
  return self
end

--- Done with each forward.
function DataParallelTable:syncParameters()
  return self
end

function DataParallelTable:__tostring__()
  return ('%s {%s} @ %s'):format(torch.type(self), table.concat(self.gpuAssignments, ', '),
    tostring(self.modules[1]))
end
