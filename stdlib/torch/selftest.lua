--- torch.test: a quick look whether the parts of this library work together on this machine.
local torch = require 'torch'

local selftest = {}

local function suite(tester)
  local tests = torch.TestSuite()

  function tests.arithmetic()
    local x = torch.DoubleTensor {{1, 2}, {3, 4}}
    tester:eq(torch.mm(x, x), torch.DoubleTensor {{7, 10}, {15, 22}}, 1e-12)
    tester:eq(x:sum(), 10)
    tester:eq(torch.exp(torch.log(x)), x, 1e-12)
    tester:eq(x:t():contiguous():view(-1), torch.DoubleTensor {1, 3, 2, 4})
  end

  function tests.products()
    local a = torch.DoubleTensor(37, 53):uniform(-1, 1)
    local b = torch.DoubleTensor(53, 29):uniform(-1, 1)
    local element = a[11]:dot(b:select(2, 17))
    tester:assertalmosteq(torch.mm(a, b)[11][17], element, 1e-10)
  end

  function tests.gradients()
    torch.enable_grad(function()
      local x = torch.DoubleTensor({1, 2, 3}):requiresGrad()
      torch.sum(torch.cmul(x, x)):backward()
      tester:eq(x.grad, torch.DoubleTensor {2, 4, 6}, 1e-12)
    end)
  end

  function tests.files()
    local value = {1, 'two', {torch.LongTensor {3, 4}}, false}
    for _, mode in ipairs {'binary', 'ascii'} do
      tester:eq(torch.deserialize(torch.serialize(value, mode), mode), value, mode)
    end
  end

  function tests.random()
    local state = torch.getRNGState()
    local first = torch.rand(100)
    torch.setRNGState(state)
    tester:eq(torch.rand(100), first, 'the same state gives the same numbers')
    tester:assert(first:min() >= 0 and first:max() < 1)
  end

  return tests
end

--- torch.test([name, pattern or list of these]): raises an error when something does not work.
function selftest.test(names)
  local tester = torch.Tester()
  tester:add(suite(tester))
  tester:run(names)
end

return selftest
