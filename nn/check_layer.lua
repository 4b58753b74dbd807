--- Do a module's gradients agree with finite differences, and does it survive a file? For the tests
-- that users may run: nn.test and rnn.test.
local nn = require 'nn'

local PRECISION = 1e-5

--- tester: a torch.Tester, which notes what is wrong; input: of double.
return function(tester, module, input)
  module:double()
  tester:assertlt(nn.Jacobian.testJacobian(module, input), PRECISION, 'gradient of the input')
  local list, gradients = module:parameters()
  for i, tensor in ipairs(list or {}) do
    tester:assertlt(nn.Jacobian.testJacobianParameters(module, input, tensor, gradients[i]),
      PRECISION, 'gradient of parameter ' .. i)
  end
  local forward, backward = nn.Jacobian.testIO(module, input)
  tester:assertlt(forward, PRECISION, 'output after a file')
  tester:assertlt(backward, PRECISION, 'gradient after a file')
end
