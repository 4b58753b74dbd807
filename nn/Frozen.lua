--- What model:freeze() returns: the model in use, run by a plan. The plan is made by running the
-- model once: the operations on tensors are noted, and laid out in memory that is there from then
-- on. A call copies the input and runs the kernels: it allocates nothing, makes no garbage, records
-- no gradient, and runs no Lua of the model's. (oneDNN, which does large products and convolutions
-- where it is present, allocates inside; MOONLET_BLAS=builtin and EMBED=1 do without.)
--
-- Parameters are used where they lie: an optimizer's steps, or weight:copy(), count at once. What
-- moves them elsewhere (getParameters, type, cuda, share) or changes the model needs a new freeze.
--
-- On a GPU the plan is a captured graph of CUDA's, which is replayed.
local torch = require 'torch'
local plan = torch.plan
local planning = plan.active
local unpack = table.unpack or unpack

local Frozen = torch.class('nn.Frozen')

local MOST_PLANS = 8

-- ---------------------------------------------------------------------------------------------
-- Forms: what a value is made of, with its tensors numbered in an order that does not change.

local function by_type_and_name(a, b)
  if type(a) ~= type(b) then return type(a) < type(b) end
  if type(a) == 'number' or type(a) == 'string' then return a < b end
  return tostring(a) < tostring(b)
end

-- A number for a tensor, a table with a list `keys` for a table, and {constant = v} for the rest.
local function form_of(value, tensors)
  if type(value) == 'userdata' then
    tensors[#tensors + 1] = value
    return #tensors
  end
  if type(value) ~= 'table' then return {constant = value} end
  local form = {keys = {}, parts = {}}
  for key in pairs(value) do form.keys[#form.keys + 1] = key end
  table.sort(form.keys, by_type_and_name)
  for i, key in ipairs(form.keys) do form.parts[i] = form_of(value[key], tensors) end
  return form
end

-- A value of that form, with these tensors.
local function build(form, tensors)
  if type(form) == 'number' then return tensors[form] end
  if not form.keys then return form.constant end
  local value = {}
  for i, key in ipairs(form.keys) do value[key] = build(form.parts[i], tensors) end
  return value
end

-- Fills `tensors` from a value of that form; false where it is of another one.
local function take(form, value, tensors)
  if type(form) == 'number' then
    tensors[form] = value
    return type(value) == 'userdata'
  end
  if not form.keys then return rawequal(form.constant, value) end
  if type(value) ~= 'table' then return false end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  if count ~= #form.keys then return false end
  for i = 1, #form.keys do
    if not take(form.parts[i], value[form.keys[i]], tensors) then return false end
  end
  return true
end

local function describe_tensor(tensor)
  local sizes = tensor:size():totable()
  return (#sizes > 0 and table.concat(sizes, 'x') .. ' ' or '') .. tensor.dtype
end

-- '1x64 float32', '{1x8 int64, 1x8x32 float32}'
local function describe(value)
  if type(value) == 'userdata' then return describe_tensor(value) end
  if type(value) ~= 'table' then return tostring(value) end
  local form, parts = form_of(value, {}), {}
  for i, key in ipairs(form.keys) do parts[i] = describe(value[key]) end
  return '{' .. table.concat(parts, ', ') .. '}'
end

-- ---------------------------------------------------------------------------------------------
-- Making a plan.

-- Calls fn() with the model as in use, and puts its modules back to what they were.
local function in_use(model, fn)
  local was = {}
  model:apply(function(module) was[#was + 1] = {module, module.train} end)
  model:evaluate()
  local ok, result = pcall(fn)
  for _, pair in ipairs(was) do pair[1].train = pair[2] end
  if not ok then error(result, 0) end
  return result
end

local function check_output(value)
  if type(value) == 'userdata' then return end
  if type(value) ~= 'table' then
    error(('freeze: the model gives a %s among its results: only tensors, and tables of them, can '
      .. 'be planned'):format(type(value)), 0)
  end
  for _, part in pairs(value) do check_output(part) end
end

-- The plan of a GPU: copies of the inputs, the results, and a graph of all that makes the one of
-- the other. The model has run before: what happens the first time only is not part of it.
local function capture(model, entry, tensors)
  local inputs = {}
  for i, tensor in ipairs(tensors) do inputs[i] = tensor:clone() end
  local graph, output
  local ok, message = pcall(function()
    graph = torch.cuda.graph({warmup = 2}, function()
      output = model(build(entry.form, inputs))
    end)
    check_output(output)
  end)
  if not ok then
    if type(message) ~= 'string' then error(message, 0) end
    error(message:find('^freeze: ') and message or 'freeze: ' .. message, 0)
  end
  graph:replay()
  entry.outputs = {}
  form_of(output, entry.outputs)
  entry.plan, entry.output = {inputs = inputs, graph = graph}, output
  return entry
end

-- Runs a plan; false where the inputs are others than those it was made for.
local function run(p, ...)
  if type(p) == 'userdata' then return plan.run(p, ...) end
  for i, own in ipairs(p.inputs) do
    local x = (select(i, ...))
    if type(x) ~= 'userdata' or x.dtype ~= own.dtype or not x:isSameSizeAs(own) then
      return false
    end
  end
  for i, own in ipairs(p.inputs) do own:copy((select(i, ...))) end
  p.graph:replay()
  return true
end

local function release(p)
  if type(p) == 'userdata' then plan.release(p) end
end

-- Runs the model once, noting; returns a finished entry.
local function note(model, input)
  local tensors = {}
  local entry = {form = form_of(input, tensors), list = {}, text = describe(input)}
  if #tensors == 0 then
    error(('freeze: a tensor, or a table of tensors, expected as example, got %s'):format(
      type(input)), 0)
  end
  entry.simple, entry.count = entry.form == 1, #tensors
  if tensors[1].device ~= 'cpu' then return capture(model, entry, tensors) end
  entry.plan = plan.begin(tensors)
  local ok, message = pcall(function()
    for i = 1, entry.count do tensors[i] = plan.input(entry.plan, i) end
    local output = model(build(entry.form, tensors))
    check_output(output)
    local outputs = {}
    local form = form_of(output, outputs)
    plan.finish(entry.plan, outputs)
    for i = 1, #outputs do outputs[i] = plan.output(entry.plan, i) end
    entry.output, entry.outputs = build(form, outputs), outputs
  end)
  if ok then return entry end
  plan.release(entry.plan)
  if type(message) ~= 'string' then error(message, 0) end
  message = message:gsub('^[^\n]-Frozen%.lua:%d+: ', '') -- that it is called here helps nobody
  error(message:find('^freeze: ') and message or 'freeze: ' .. message, 0)
end

local FLOATS = {float32 = true, float64 = true, float16 = true, bfloat16 = true}

-- Another input that is as good: the elements the other way round, and where they may be anything
-- between others, a little more.
local function variation(tensor)
  if tensor:nElement() == 0 then return tensor:clone() end
  local turned = tensor:contiguous():view(-1):flip(1):viewAs(tensor):contiguous()
  if FLOATS[tensor.dtype] then turned:add(torch.rand_like(turned):mul(0.1)) end
  return turned
end

local function close(a, b)
  if a:nElement() == 0 then return true end
  a, b = a:to('float64'), b:to('float64')
  local nan = a:ne(a)
  if nan:ne(b:ne(b)):any() then return false end
  a, b = a:clone():maskedFill(nan, 0), b:clone():maskedFill(nan, 0)
  local apart = (a - b):abs():maskedFill(a:eq(b), 0):max()
  local finite = a:clone():maskedFill(a:abs():eq(math.huge), 0)
  return apart <= 1e-3 * (1e-3 + finite:abs():max())
end

-- The plan must do on other values what the model does.
local function check(model, entry, tensors)
  local others, copies = {}, {} -- a model made with inplace writes into what it is given
  for i, tensor in ipairs(tensors) do
    others[i] = variation(tensor)
    copies[i] = others[i]:clone()
  end
  local state = torch.getRNGState()
  local ok, expected = pcall(function() return model(build(entry.form, copies)) end)
  torch.setRNGState(state)
  if not ok then return end -- not as good after all: the model refuses it
  local list = {}
  form_of(expected, list)
  local same = #list == #entry.outputs and run(entry.plan, unpack(others, 1, entry.count))
  torch.setRNGState(state)
  for i = 1, same and #list or 0 do
    same = same and list[i]:isSameSizeAs(entry.outputs[i]) and close(list[i], entry.outputs[i])
  end
  if same then return end
  release(entry.plan)
  error('freeze: on another input the plan gives another result than the model: it keeps '
    .. 'something from one call to the next, or calculates with values in Lua', 0)
end

local function make(self, input)
  local was = torch.set_grad_enabled(false)
  local ok, entry = pcall(in_use, self.model, function()
    local entry = note(self.model, input)
    if self.checks then
      local tensors = {}
      form_of(input, tensors)
      check(self.model, entry, tensors)
    end
    return entry
  end)
  torch.set_grad_enabled(was)
  if not ok then error(entry, 0) end
  table.insert(self.plans, 1, entry)
  self.plans[MOST_PLANS + 1] = nil
  self.entry, self.text = entry, entry.text
  return entry
end

-- ---------------------------------------------------------------------------------------------
-- What users call.

function Frozen:__init(model, input, options)
  local o = options or {}
  for key in pairs(o) do
    if key ~= 'check' then
      error(('freeze: no option %q: there is check'):format(tostring(key)), 0)
    end
  end
  self.model, self.plans, self.fixed = model, {}, input ~= nil
  self.checks = o.check ~= false
  if input ~= nil then make(self, input) end
end

-- Runs the entry if the input is of its form and shapes.
local function try(entry, input)
  local list = entry.list
  local fits = take(entry.form, input, list) and run(entry.plan, unpack(list, 1, entry.count))
  for i = 1, entry.count do list[i] = false end -- the input belongs to the caller
  return fits
end

-- The way of inputs that the last plan does not fit.
local function search(self, input)
  if planning() then return self.model(input) end -- a part of a model that is frozen itself
  for _, entry in ipairs(self.plans) do
    if try(entry, input) then
      self.entry = entry
      return entry.output
    end
  end
  if self.text and self.fixed and self.text ~= describe(input) then
    error(('%s: frozen for an input of %s, got %s: freeze() without an example plans anew for each '
      .. 'size'):format(torch.type(self.model), self.text, describe(input)), 0)
  end
  local entry = make(self, input)
  try(entry, input)
  return entry.output
end

--- The model's result: always the same tensors, whose values last until the next call, so that what
-- shall last longer needs :clone().
function Frozen:forward(input)
  local entry = self.entry
  if entry and entry.simple and run(entry.plan, input) then return entry.output end
  return search(self, input)
end

Frozen.__call__ = Frozen.forward

--- How often it was planned, for which inputs, and what that took: operations, and bytes of the
-- arena, of the workspace of kernels, and of the parameters, which are the model's.
function Frozen:stats()
  local stats = {plans = #self.plans, inputs = {}, operations = 0, arena = 0, workspace = 0,
    parameters = 0}
  for i, entry in ipairs(self.plans) do
    stats.inputs[i] = entry.text
    if type(entry.plan) == 'userdata' then -- of a graph nobody knows
      local one = plan.describe(entry.plan)
      stats.operations = stats.operations + one.operations
      stats.arena = stats.arena + one.arena
      stats.workspace = stats.workspace + one.workspace
      stats.parameters = math.max(stats.parameters, one.parameters)
    end
  end
  return stats
end

local function size(bytes)
  if bytes < 1e4 then return ('%d B'):format(bytes) end
  if bytes < 1e7 then return ('%.0f KB'):format(bytes / 1e3) end
  return ('%.1f MB'):format(bytes / 1e6)
end

function Frozen:__tostring__()
  local stats = self:stats()
  local name = ('nn.Frozen(%s'):format(torch.type(self.model))
  if stats.plans == 0 then return name .. ', not planned yet)' end
  return ('%s, %s: %d operations, arena %s, workspace %s, parameters %s)'):format(name,
    table.concat(stats.inputs, ' and '), stats.operations, size(stats.arena),
    size(stats.workspace), size(stats.parameters))
end

--- It is in use already.
function Frozen:evaluate() return self end

function Frozen:training()
  error('nn.Frozen: a frozen model cannot be trained; the model that it was made of can', 2)
end

function Frozen:parameters() return self.model:parameters() end

--- An independent copy of the model, frozen at the first call.
function Frozen:clone()
  local copy = Frozen.new(self.model:clone())
  copy.fixed, copy.text, copy.checks = self.fixed, self.text, self.checks
  return copy
end

-- ---------------------------------------------------------------------------------------------
-- Files hold the model; what is read is planned anew at the first call.

function Frozen:write(file)
  file:writeObject({model = self.model, fixed = self.fixed, text = self.text,
    checks = self.checks})
end

function Frozen:read(file)
  local fields = file:readObject()
  if type(fields) ~= 'table' or type(fields.model) ~= 'table' then
    error('load: what stands for a frozen model has no model in it', 0)
  end
  self.model, self.plans = fields.model, {}
  self.fixed, self.text = fields.fixed == true, type(fields.text) == 'string' and fields.text or nil
  self.checks = fields.checks ~= false
end

return Frozen
