-- model:summary(): layers, shapes, parameters, multiply-adds, memory, of any module.
local torch, nn = require 'torch', require 'nn'

local function model_of_branches()
  return nn.Sequential(nn.Linear(784, 128), nn.ReLU(),
    nn.ConcatTable():add(nn.Linear(128, 10)):add(nn.Sequential(nn.Dropout(), nn.Linear(128, 10))),
    nn.CAddTable())
end

describe('summary', function()
  it('prints as a table', function()
    assert.equal([[
Layer                  Output          Parameters  Multiply-adds
----------------------------------------------------------------
nn.Sequential          16x10
  (1) nn.Linear        16x128             100,480      1,605,632
  (2) nn.ReLU          16x128
  (3) nn.ConcatTable   {16x10, 16x10}
    (1) nn.Linear      16x10                1,290         20,480
    (2) nn.Sequential  16x10
      (1) nn.Dropout   16x128
      (2) nn.Linear    16x10                1,290         20,480
  (4) nn.CAddTable     16x10
----------------------------------------------------------------
Total                                     103,060      1,646,592
Memory: 402.6 KiB of parameters + 25.9 KiB of results = 428.5 KiB]],
      tostring(model_of_branches():summary{16, 784}))
  end)

  it('is data, too', function()
    local summary = model_of_branches():summary(torch.randn(16, 784))
    assert.equal(9, #summary.layers)
    local layer = summary.layers[5]
    assert.equal('nn.Linear', layer.type)
    assert.equal(2, layer.depth)
    assert.are.same({16, 10}, layer.output)
    assert.equal(1290, layer.parameters)
    assert.equal(16 * 1280, layer.multiplyAdds)
    assert.are.same({{16, 10}, {16, 10}}, summary.layers[4].output)
    assert.equal(103060, summary.parameters)
    assert.equal(103060 * 4, summary.parameterBytes)
    assert.equal(4 * 16 * (3 * 128 + 3 * 10), summary.activationBytes)
    assert.equal(summary.bytes, summary.parameterBytes + summary.activationBytes)
  end)

  it('takes tables of sizes and of tensors, and the size of one sample', function()
    assert.equal(24, nn.CAddTable():summary{{2, 3}, {2, 3}}.activationBytes)
    assert.equal(24, nn.CAddTable():summary{torch.ones(2, 3), {2, 3}}.activationBytes)
    assert.are.same({2}, nn.Linear(3, 2):summary(3).layers[1].output)
    assert.are.same({2}, nn.Linear(3, 2):double():summary{3}.layers[1].output)
    assert.equal(6, nn.ParallelTable():add(nn.Linear(3, 2)):summary{{3}}.multiplyAdds)
  end)

  it('counts what is shared once, and what runs often each time', function()
    local map = nn.MapTable(nn.Linear(3, 2)):summary{{4, 3}, {4, 3}}
    assert.equal(8, map.parameters)
    assert.equal(2 * 4 * 6, map.multiplyAdds)
    local inner = nn.Linear(3, 3)
    local twice = nn.Sequential(inner, inner):summary{2, 3}
    assert.equal(2, #twice.layers)
    assert.equal(2, twice.layers[2].calls)
    assert.equal(12, twice.parameters)
    assert.equal(2 * 2 * 9, twice.multiplyAdds)
  end)

  it('knows how often weights are used', function()
    local function of(module, ...) return module:summary{...}.multiplyAdds end
    assert.equal(2 * 4 * 9 * 3 * 25, of(nn.SpatialConvolution(3, 4, 3, 3), 2, 3, 7, 7))
    assert.equal(4 * 9 * 3 * 25, of(nn.SpatialConvolutionMM(3, 4, 3, 3), 3, 7, 7))
    assert.equal(4 * 9 * 25, of(nn.Conv2d(4, 4, 3, {groups = 4}), 1, 4, 7, 7))
    assert.equal(2 * 3 * 4 * 9 * 49, of(nn.SpatialFullConvolution(3, 4, 3, 3), 2, 3, 7, 7))
    assert.equal(4 * 3 * 2 * 5, of(nn.TemporalConvolution(3, 4, 2), 6, 3))
    assert.equal(2 * 3 * 5, of(nn.BatchNormalization(3), 2 * 5, 3))
    assert.equal(0, of(nn.LookupTable(10, 3), 7))
    assert.equal(6, of(nn.CMul(1, 3), 2, 3))
    assert.equal(2 * 3 * 4 * 5, of(nn.Bottle(nn.Linear(4, 5)), 2, 3, 4))
  end)

  it('takes the word of a class that counts itself', function()
    local Count = torch.class('spec.SummaryCount', 'nn.Module', {})
    function Count:updateOutput(x) return x end
    function Count:multiplyAdds(x, y) return x:nElement() + y:nElement() end
    assert.equal(12, Count.new():summary{2, 3}.multiplyAdds)
  end)

  it('changes nothing', function()
    local model = model_of_branches()
    torch.manualSeed(3)
    local wanted = torch.rand(1)[1]
    torch.manualSeed(3)
    model:summary{2, 784}
    assert.equal(wanted, torch.rand(1)[1])
    assert.equal(0, model.output:nElement())
    assert.equal(0, model:get(1).output:nElement())
    assert.is_true(model:get(3):get(2):get(1).train)
    assert.is_true(torch.is_grad_enabled())
  end)

  it('goes into modules that hold others as fields or run them in the old way', function()
    local Holder = torch.class('spec.SummaryHolder', 'nn.Module', {})
    function Holder:__init() self.inner = nn.Linear(3, 2) end
    function Holder:updateOutput(x) return torch.tanh(self.inner:forward(x)) end
    local Old = torch.class('spec.SummaryOld', 'nn.Container', {})
    function Old:updateOutput(x)
      self.output = self.modules[1]:updateOutput(x)
      return self.output
    end
    function Old:updateGradInput(x, dy) return self.modules[1]:updateGradInput(x, dy) end
    local old = Old.new():add(Holder.new())
    local summary = old:summary{5, 3}
    assert.equal(3, #summary.layers)
    assert.equal('.inner', summary.layers[3].name)
    assert.equal(8, summary.parameters)
    assert.equal(5 * 6, summary.multiplyAdds)
    assert.is_truthy(tostring(summary):find('\n    .inner nn.Linear', 1, true))
  end)

  it('says what is wrong', function()
    local model = model_of_branches()
    for message, input in pairs {
      ['summary_spec.lua:%d+: nn.Sequential {1} nn.Linear: input of size %[16x783%]'] = {16, 783},
      ['summary_spec.lua:%d+: summary: whole sizes above 0 expected, got {16, %-1}'] = {16, -1},
      ['summary_spec.lua:%d+: summary: an input, or its size .* got string'] = 'x',
    } do
      local ok, got = pcall(function()
        local summary = model:summary(input)
        return summary
      end)
      assert.is_false(ok)
      assert.is_truthy(got:find(message), got)
    end
  end)
end)
