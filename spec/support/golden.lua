--- Replays the cases of spec/golden/*.lua, which spec/golden/cases.py describes.
local assert = require 'luassert'
local torch = require 'torch'
local tensors = require 'spec.support.tensors'

local golden = {}

local function read(entry)
  local t = torch[entry.type .. 'Tensor'](entry)
  if #entry == 0 then t = torch.zeros(0):type('torch.' .. entry.type .. 'Tensor') end
  if #entry.size == 0 then return t:view(torch.LongStorage()) end
  return t:view(torch.LongStorage(entry.size))
end

-- The weights of make.py.
local function weights_like(t)
  local values = {}
  for k = 0, t:nElement() - 1 do values[k + 1] = 0.5 + k * 7 % 5 * 0.25 end
  return torch.DoubleTensor(values):viewAs(t:detach())
end

local function evaluate(expression, inputs, globals)
  local scope = setmetatable({torch = torch}, {__index = globals})
  for name, x in pairs(inputs) do scope[name] = x end
  local text = 'return ' .. expression
  local chunk
  if setfenv then -- luacheck: ignore
    chunk = setfenv(assert(loadstring(text)), scope) -- luacheck: ignore
  else
    chunk = assert(load(text, text, 't', scope))
  end
  return {chunk()}
end

local function compare(case, got, expected, options)
  for k, entry in ipairs(expected) do
    local value = got[k]
    if type(value) == 'number' then value = torch.tensor(value, 'float64') end
    if type(value) == 'boolean' then value = torch.tensor(value, 'uint8') end
    local want = read(entry)
    tensors.assert_same(want:type(value:type()), value, options.tolerance or 1e-9, case[1])
    if torch.isTensor(got[k]) and not options.narrow then
      assert.equal('torch.' .. entry.type .. 'Tensor', value:type(), case[1])
    end
  end
end

--- Runs one case. options: globals, a table of what its expression may name besides torch; narrow,
-- true to calculate in float32; tolerance.
function golden.check(case, options)
  options = options or {}
  local inputs = {}
  for name, entry in pairs(case.inputs) do
    inputs[name] = read(entry)
    if options.narrow and entry.type == 'Double' then inputs[name] = inputs[name]:float() end
    if case.grads then inputs[name].requires_grad = case.grads[name] ~= nil end
  end
  local got = evaluate(case[1], inputs, options.globals)
  compare(case, got, case.results, options)
  if not case.grads then return end
  local total = 0
  for _, y in ipairs(got) do
    if torch.isTensor(y) and y.requires_grad then
      total = total + torch.cmul(y, weights_like(y):typeAs(y)):sum()
    end
  end
  total:backward()
  for name, entry in pairs(case.grads) do
    local grad = inputs[name].grad or torch.zeros_like(inputs[name]:detach())
    tensors.assert_same(read(entry):typeAs(grad), grad, options.tolerance or 1e-8,
      case[1] .. ' by ' .. name)
  end
end

return golden
