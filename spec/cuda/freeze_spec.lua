-- model:freeze() on a GPU: a captured graph gives what the model gives.
local torch = require 'torch'
local nn = require 'nn'
local tensors = require 'spec.support.tensors'

if not torch.cuda.is_available() then return end

local function same(expected, got)
  assert.are.equal('cuda', got.device:sub(1, 4))
  tensors.assert_same(expected:cpu(), got:cpu(), 1e-6)
end

describe('a model frozen on a GPU', function()
  local model = nn.Sequential():add(nn.Linear(5, 7)):add(nn.Tanh()):add(nn.Linear(7, 3)):cuda()

  it('gives what the model gives, also for other inputs and weights', function()
    local frozen = model:freeze(torch.randn(4, 5):cuda())
    for _ = 1, 2 do
      local x = torch.randn(4, 5):cuda()
      same(model:forward(x):clone(), frozen:forward(x))
      model:get(1).weight:mul(0.5)
    end
    assert.has_error(function() frozen:forward(torch.randn(3, 5):cuda()) end)
  end)

  it('is planned for each size where no example was given', function()
    local frozen = model:freeze()
    for _, rows in ipairs {2, 3, 2} do
      local x = torch.randn(rows, 5):cuda()
      same(model:forward(x):clone(), frozen:forward(x))
    end
    assert.are.equal(2, frozen:stats().plans)
    assert.is_truthy(tostring(frozen):find('nn.Frozen', 1, true))
  end)
end)
