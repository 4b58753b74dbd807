-- Results and gradients as PyTorch calculates them; spec/golden/make.py wrote the files.
local tensors = require 'spec.support.tensors'

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

local function evaluate(expression, inputs)
  local scope = {torch = torch}
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

local function compare(case, got, expected)
  for k, entry in ipairs(expected) do
    local value = got[k]
    if type(value) == 'number' then value = torch.tensor(value, 'float64') end
    if type(value) == 'boolean' then value = torch.tensor(value, 'uint8') end
    local want = read(entry)
    tensors.assert_same(want:type(value:type()), value, 1e-9, case[1])
    if torch.isTensor(got[k]) then
      assert.equal('torch.' .. entry.type .. 'Tensor', value:type(), case[1])
    end
  end
end

local function check(case)
  local inputs = {}
  for name, entry in pairs(case.inputs) do
    inputs[name] = read(entry)
    if case.grads then inputs[name].requires_grad = case.grads[name] ~= nil end
  end
  local got = evaluate(case[1], inputs)
  compare(case, got, case.results)
  if not case.grads then return end
  local total = 0
  for _, y in ipairs(got) do
    if torch.isTensor(y) and y.requires_grad then
      total = total + torch.cmul(y, weights_like(y)):sum()
    end
  end
  total:backward()
  for name, entry in pairs(case.grads) do
    local grad = inputs[name].grad or inputs[name]:detach():clone():zero()
    tensors.assert_same(read(entry), grad, 1e-8, case[1] .. ' by ' .. name)
  end
end

local files = {}
for path in io.popen('ls spec/golden/*.lua'):lines() do files[#files + 1] = path end
assert(#files >= 10, 'spec/golden/ is not where it should be')

for _, path in ipairs(files) do
  describe('PyTorch agrees in ' .. path:match('([^/]+)%.lua$') .. ':', function()
    for k, case in ipairs(dofile(path)) do
      it(('%s (%d)'):format(case[1], k), function() check(case) end)
    end
  end)
end
