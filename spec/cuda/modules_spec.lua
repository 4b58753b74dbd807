-- Every case of spec/nn/cases on a GPU: output and gradients in both protocols, against the CPU's.
-- With MOONLET_GPU_REPORT=FILE the operations are listed that went by way of the CPU, having no
-- CUDA kernel.
local torch = require 'torch'
local nn = require 'nn'

if not torch.cuda.is_available() then return end

local TOLERANCE = 2e-4

local function map(fn, value)
  if torch.isTensor(value) then return fn(value) end
  if type(value) ~= 'table' then return value end
  local out = {}
  for key, part in pairs(value) do out[key] = map(fn, part) end
  return out
end

local function to_gpu(value) return map(function(t) return t:cuda() end, value) end

local function same(got, expected, what)
  if torch.isTensor(expected) then
    local a, b = got:detach():cpu():double(), expected:detach():double()
    assert.same(b:size():totable(), a:size():totable(), what)
    local scale = math.max(1, b:nElement() > 0 and torch.abs(b):max() or 0)
    local apart = a:nElement() > 0 and torch.abs(torch.csub(a, b)):max() or 0
    assert.is_true(apart <= TOLERANCE * scale, ('%s: apart by %g'):format(what, apart))
  elseif type(expected) == 'table' then
    for key, part in pairs(expected) do same(got[key], part, what) end
  elseif type(expected) == 'number' then
    assert.is_true(math.abs(got - expected) <= TOLERANCE * math.max(1, math.abs(expected)), what)
  end
end

-- Torch7's protocol, on one device: output, gradInput and the parameters' gradients.
local function run(module, input, target)
  if module.zeroGradParameters then module:zeroGradParameters() end
  local output = target == nil and module:forward(input) or module:forward(input, target)
  local gradient
  if type(output) == 'number' and target == nil then
    gradient = module:backward(input) -- a criterion that wants no target
  elseif target == nil then
    gradient = module:backward(input, map(function(t) return t:detach():clone() end, output))
  else
    gradient = module:backward(input, target)
  end
  local _, grads
  if module.parameters then _, grads = module:parameters() end
  return output, gradient, grads or {}
end

local function check(name, case)
  local make, make_input, make_target = case[1], case[2], case[3]
  if case.random then return end -- draws would differ in their order
  torch.manualSeed(7)
  local module = make():float()
  local input = map(function(t) return t:dim() > 0 and t or t end, make_input())
  local target = make_target and make_target()
  local function float(t) return t.dtype == 'float64' and t:float() or t end
  input, target = map(float, input), target ~= nil and map(float, target) or nil
  local there = module:clone()
  local output, gradient, grads = run(module, input, target)
  there:cuda()
  local o, g, p = run(there, to_gpu(input), target ~= nil and to_gpu(target) or nil)
  same(o, output, name .. ': output')
  if not case.discrete then same(g, gradient, name .. ': gradInput') end
  same(p, grads, name .. ': gradients of parameters')
end

describe('modules on a GPU', function()
  for _, file in ipairs { 'simple', 'basic', 'transfer', 'containers', 'tables', 'criterions',
      'spatial', 'sequences', 'normalization', 'attention', 'rnn', 'dpnn', 'nngraph' } do
    local cases = dofile('spec/nn/cases/' .. file .. '.lua')
    for name, case in pairs(cases) do
      it(name .. ' does what it does on the CPU', function() check(name, case) end)
    end
  end

  it('lists the operations that have no kernel', function()
    local names = {}
    for op, count in pairs(torch.cuda.detours()) do names[#names + 1] = ('%s (%d)'):format(op,
      count) end
    table.sort(names)
    if #names > 0 and os.getenv('MOONLET_GPU_REPORT') then
      local file = assert(io.open(os.getenv('MOONLET_GPU_REPORT'), 'w'))
      file:write(table.concat(names, ', '), '\n')
      file:close()
    end
    assert.is_truthy(nn)
  end)
end)
