--- cutorch.test(): the GPU against the CPU.
local torch = require 'torch'
local Tester = require 'torch.Tester'

local tests = torch.TestSuite()
local tester

-- The same function on both.
local function compare(name, f, ...)
  local here, there = {...}, {...}
  for k, x in ipairs(there) do there[k] = torch.isTensor(x) and x:cuda() or x end
  local unpack = table.unpack or unpack
  local expected, got = f(unpack(here)), f(unpack(there))
  if torch.isTensor(got) then got = got:float() end
  tester:eq(got, expected, 1e-4, name)
end

local function draw(...) return torch.FloatTensor(...):uniform(-1, 1) end

function tests.pointwise()
  compare('add', torch.add, draw(37, 53), draw(37, 53))
  compare('exp', torch.exp, draw(37, 53))
  compare('of parts', function(x) return torch.tanh(x:t():narrow(1, 3, 20)) end, draw(37, 53))
end

function tests.products()
  compare('mm', torch.mm, draw(37, 53), draw(53, 29))
  compare('mv', torch.mv, draw(37, 53), draw(53))
end

function tests.reductions()
  compare('sum', torch.sum, draw(37, 53), 2)
  compare('max', function(x) return (torch.max(x, 1)) end, draw(37, 53))
  compare('norm', torch.norm, draw(1000))
end

function tests.types()
  local x = draw(7, 5)
  tester:eq(x:cuda():type(), 'torch.CudaTensor')
  tester:eq(x:cuda():float(), x, 0)
  tester:eq(x:cuda():double():type(), 'torch.DoubleTensor')
end

function tests.random()
  torch.manualSeed(7)
  local expected = torch.FloatTensor(1000):uniform()
  torch.manualSeed(7)
  tester:eq(torch.CudaTensor(1000):uniform():float(), expected, 1e-6)
end

return function()
  tester = Tester()
  tester:add(tests)
  tester:run()
end
