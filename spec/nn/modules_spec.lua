-- Every module and criterion, by the cases of spec/nn/cases: gradients against differences in both
-- protocols, batches, strides, types, files. A case is {make, input [, target], options...}:
--   single     function: another input, of one sample without a dimension for the batch
--   batched    the first dimension is a batch: a row alone gives that row of the output
--   random     draws numbers: the same seed is set before each run
--   discrete   true: the input has no gradient; {[2] = true}: part 2 of it has none
--   params     false: the parameters' gradients are not compared
--   tolerance  of gradients, 1e-6 by default
--   own_gradient true: the input's gradient is on purpose not that of the output
--   keeps_type true: a conversion leaves the parameters as they are
--   before     function(module): brings a module with a memory back to its beginning
local torch = require 'torch'
local tensors = require 'spec.support.tensors'

local H = 1e-5
local FLOATS = {float32 = true, float64 = true}

-- ---------------------------------------------------------------------------------------------
-- Values: a number, a tensor, or a table of values.

local function map(fn, value)
  if torch.isTensor(value) then return fn(value) end
  if type(value) ~= 'table' then return value end
  local out = {}
  for key, part in pairs(value) do out[key] = map(fn, part) end
  return out
end

local function is_float(tensor) return FLOATS[tensor.dtype] end

local function double(value)
  return map(function(tensor) return is_float(tensor) and tensor:double() or tensor end, value)
end

local function copy(value)
  return map(function(tensor) return tensor:detach():clone() end, value)
end

-- {key, tensor} of all tensors, in an order that is always the same; key is the part of the
-- outermost table.
local function list_of(value, list, top)
  list = list or {}
  if type(value) == 'number' then value = torch.DoubleTensor{value} end
  if torch.isTensor(value) then
    list[#list + 1] = {top, value}
  elseif type(value) == 'table' then
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(keys) do list_of(value[key], list, top or key) end
  end
  return list
end

local function assert_same(expected, got, tolerance, what)
  local a, b = list_of(expected), list_of(got)
  assert.equal(#a, #b, what)
  for i = 1, #a do
    tensors.assert_same(a[i][2]:detach(), b[i][2]:detach(), tolerance or 1e-10,
      (what or '') .. (#a > 1 and (' of part %s'):format(tostring(a[i][1])) or ''))
  end
end

-- sum(value * dy)
local function dot(value, dy)
  local total, a, b = 0, list_of(value), list_of(dy)
  for i = 1, #a do
    if a[i][2]:nElement() > 0 then
      total = total + torch.cmul(a[i][2]:detach():double(), b[i][2]:double()):sum()
    end
  end
  return total
end

-- d f() / d tensor by central differences.
local function numeric(tensor, f)
  local plain = tensor:detach()
  local gradient = torch.DoubleTensor(plain:size()):zero()
  assert.is_true(plain:isContiguous())
  if plain:nElement() == 0 then return gradient end
  local elements, slopes = plain:view(plain:nElement()), gradient:view(plain:nElement())
  for i = 1, elements:nElement() do
    local old = elements[i]
    elements[i] = old + H
    local up = f()
    elements[i] = old - H
    slopes[i] = (up - f()) / (2 * H)
    elements[i] = old
  end
  return gradient
end

-- ---------------------------------------------------------------------------------------------
-- A case, set up.

local Bench = {}
Bench.__index = Bench

local function bench_of(case, make_input)
  torch.manualSeed(3)
  local bench = setmetatable({case = case}, Bench)
  bench.module = case[1]():double()
  bench.is_criterion = torch.isTypeOf(bench.module, 'nn.Criterion')
  bench.input = double((make_input or case[2])())
  if case[3] then bench.target = double(case[3]()) end
  bench.dy = map(function(tensor) return torch.randn_like(tensor:double()) end, bench:forward())
  if bench.is_criterion or type(bench.dy) == 'number' then bench.dy = 1 end
  return bench
end

function Bench:prepare(module)
  if self.case.random then torch.manualSeed(5) end
  if self.case.before then self.case.before(module or self.module) end
end

function Bench:forward(module, input)
  self:prepare(module)
  return (module or self.module):forward(input or self.input, self.target)
end

function Bench:backward(scale)
  if self.is_criterion then return self.module:backward(self.input, self.target) end
  return self.module:backward(self.input, self.dy, scale)
end

local function call(module, input, target) return (module(input, target)) end

-- The result as one number, without a tape.
function Bench:value()
  self:prepare()
  return dot(torch.no_grad(call, self.module, self.input, self.target), self.dy)
end

function Bench:parameters()
  if self.is_criterion or self.case.params == false then return {}, {} end
  local list, gradients = self.module:parameters()
  return list or {}, gradients or {}
end

function Bench:zero()
  if not self.is_criterion then self.module:zeroGradParameters() end
end

-- Has this part of the input a gradient?
function Bench:is_smooth(part)
  local discrete, key, tensor = self.case.discrete, part[1], part[2]
  if type(discrete) == 'table' then return is_float(tensor) and not discrete[key] end
  return is_float(tensor) and not discrete
end

-- Backward from a call: gradients of the parts of the input, or false.
function Bench:call_gradients()
  local leaves = map(function(tensor)
    local leaf = tensor:clone()
    return is_float(leaf) and leaf:requiresGrad(true) or leaf
  end, self.input)
  self:prepare()
  local output = self.module(leaves, self.target)
  local total
  local dy = list_of(self.dy)
  for i, part in ipairs(list_of(output)) do
    if part[2].requires_grad then
      local term = torch.cmul(part[2], dy[i][2]:double()):sum()
      total = total and total + term or term
    end
  end
  if total then total:backward() end
  local gradients = {}
  for i, part in ipairs(list_of(leaves)) do
    gradients[i] = self:is_smooth(part) and (part[2].grad or torch.zeros_like(part[2]:detach()))
  end
  return gradients, output
end

-- ---------------------------------------------------------------------------------------------
-- What is asked of all.

local function check_protocols(case, input)
  local bench = bench_of(case, input)
  local before = copy(bench.input)
  local output = bench:forward()
  assert.is_true(rawequal(output, bench.module.output))
  for _, part in ipairs(list_of(output)) do assert.is_false(part[2].requires_grad) end
  if bench.is_criterion then assert.equal('number', type(output)) end
  local first = copy(output)
  assert_same(first, bench:forward(), 0, 'a second forward')
  bench:prepare()
  assert_same(first, bench.module(bench.input, bench.target), nil, 'a call')
  bench:forward()
  bench:backward()
  assert_same(before, bench.input, 0, 'the input afterwards')
end

local function check_gradients(case, input)
  local bench = bench_of(case, input)
  local tolerance = case.tolerance or 1e-6
  local function value() return bench:value() end
  bench:forward()
  bench:zero()
  local gradient = bench:backward()
  assert.is_true(rawequal(gradient, bench.module.gradInput))
  gradient = list_of(copy(gradient))
  for i, part in ipairs(list_of(bench.input)) do
    if bench:is_smooth(part) and not case.own_gradient then
      tensors.assert_same(numeric(part[2], value), gradient[i][2], tolerance, 'gradInput')
    end
  end
  local list, gradients = bench:parameters()
  local kept = copy(gradients)
  for i, tensor in ipairs(list) do
    tensors.assert_same(numeric(tensor, value), kept[i], tolerance, 'parameter ' .. i)
  end
  bench:zero()
  for i, called in ipairs((bench:call_gradients())) do
    if called then tensors.assert_same(gradient[i][2], called, 1e-10, 'gradient of a call') end
  end
  for i, tensor in ipairs(list) do
    tensors.assert_same(kept[i], tensor.grad, 1e-10, 'gradient by a call of parameter ' .. i)
  end
end

local function check_halves(case)
  local bench = bench_of(case)
  if bench.is_criterion then return end
  bench:forward()
  bench:zero()
  local whole = copy(bench:backward(0.5))
  local _, gradients = bench:parameters()
  local kept = copy(gradients)
  bench:zero()
  assert_same(whole, bench.module:updateGradInput(bench.input, bench.dy), nil, 'updateGradInput')
  for _, gradient in ipairs(gradients) do
    assert.is_true(gradient:nElement() == 0 or gradient:norm() == 0)
  end
  bench.module:accGradParameters(bench.input, bench.dy, 0.25)
  bench.module:accGradParameters(bench.input, bench.dy, 0.25)
  assert_same(kept, gradients, 1e-9, 'accGradParameters')
end

local function check_unrecorded(case)
  local bench = bench_of(case)
  bench:forward()
  local wanted = copy(bench:backward())
  torch.no_grad(function()
    bench:prepare()
    for _, part in ipairs(list_of((bench.module(bench.input, bench.target)))) do
      assert.is_false(part[2].requires_grad)
    end
    bench:forward()
    assert_same(wanted, bench:backward(), nil, 'gradInput')
  end)
  assert.is_true(torch.is_grad_enabled())
end

local function check_rows(case)
  local bench = bench_of(case)
  local output = copy(bench:forward())
  local rows = list_of(bench.input)[1][2]:size(1)
  for i = 1, rows do
    local function row(tensor) return tensor[i] end
    assert_same(map(row, output), bench:forward(nil, map(row, bench.input)), 1e-9, 'row ' .. i)
  end
end

local function check_strides(case)
  local bench = bench_of(case)
  local output, gradient = copy(bench:forward()), copy(bench:backward())
  bench.input = map(function(tensor)
    return tensor:nElement() > 0 and tensors.strided(tensor) or tensor
  end, bench.input)
  assert_same(output, bench:forward(), nil, 'output')
  assert_same(gradient, bench:backward(), nil, 'gradInput')
  if bench.is_criterion then return end
  bench.dy = map(tensors.strided, bench.dy)
  assert_same(gradient, bench:backward(), nil, 'gradInput from a strided gradient')
end

local function check_types(case)
  local bench = bench_of(case)
  local output = copy(bench:forward())
  local wide = bench.input
  local module, target = bench.module:clone():float(), bench.target
  local function narrow(tensor) return is_float(tensor) and tensor:float() or tensor end
  bench.target = map(narrow, target)
  local result = bench:forward(module, map(narrow, wide))
  if not case.random then assert_same(double(output), double(result), 2e-3, 'as floats') end
  for _, tensor in ipairs(bench.is_criterion and {} or module:parameters() or {}) do
    assert.is_true(case.keeps_type or tensor:type() == 'torch.FloatTensor')
  end
  bench.target = target
  assert_same(output, bench:forward(module:double(), wide), 2e-3, 'as doubles again')
end

local function check_copies(case)
  local bench = bench_of(case)
  local output = copy(bench:forward())
  bench:backward()
  for what, other in pairs {
    clone = bench.module:clone(),
    file = torch.deserialize(torch.serialize(bench.module)),
    text = torch.deserialize(torch.serialize(bench.module, 'ascii'), 'ascii'),
  } do
    assert.equal(tostring(bench.module), tostring(other))
    assert_same(output, bench:forward(other), what == 'text' and 1e-5 or 1e-12, what)
    if not bench.is_criterion then
      local list, gradients = other:parameters()
      for i, tensor in ipairs(list or {}) do
        assert.is_true(tensor.grad == nil or tensor.grad == gradients[i])
      end
    end
  end
  bench.module:clearState()
  assert_same(output, bench:forward(), nil, 'after clearState')
end

local checks = {
  {'gives the same in both protocols', check_protocols},
  {'has right gradients', check_gradients},
  {'runs backward in two halves, scaled', check_halves},
  {'works where nothing is recorded', check_unrecorded},
  {'takes an input with strides', check_strides},
  {'changes its type', check_types},
  {'is cloned, saved and cleared', check_copies},
}

for _, file in ipairs(require('spec.nn.case_files')) do
  for name, case in pairs(require(file)) do
    describe('nn: ' .. name, function()
      for _, check in ipairs(checks) do
        it(check[1], function() check[2](case) end)
      end
      if case.single then
        it('takes one sample', function()
          check_protocols(case, case.single)
          check_gradients(case, case.single)
        end)
      end
      if case.batched then
        it('treats the rows of a batch alike', function() check_rows(case) end)
      end
      it('is of the class that its name tells', function()
        assert.equal('nn.' .. name:match('^[%w_]+'), torch.type(case[1]()))
      end)
    end)
  end
end
