-- What is special about convolutions, poolings, paddings and resizing. That their gradients are
-- right is checked by modules_spec.lua, and their values by spatial_golden_spec.lua.
local torch, nn = require 'torch', require 'nn'
local tables = require('nn').tables

local function sizes(x) return table.concat(x:size():totable(), 'x') end

local function fails(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, message, 1, true)
end

local function within(bound, tensor)
  local most = torch.abs(tensor:detach()):max()
  assert.is_true(most <= bound and most > bound / 2)
end

describe('convolutions', function()
  it('take the width before the height', function()
    local m = nn.SpatialConvolution(2, 3, 5, 4, 2, 1, 1, 0)
    assert.equal('3x2x4x5', sizes(m.weight))
    assert.equal('3x9x6', sizes(m:forward(torch.randn(2, 12, 14))))
    m = nn.VolumetricConvolution(1, 2, 2, 3, 4)
    assert.equal('2x1x2x4x3', sizes(m.weight))
    assert.equal('2x5x4x5', sizes(m:forward(torch.randn(1, 6, 7, 7))))
  end)

  it('begin within 1 / sqrt(inputs of an output)', function()
    within(1 / math.sqrt(4 * 5 * 5), nn.SpatialConvolution(4, 8, 5, 5).weight)
    within(1 / math.sqrt(4 * 5 * 5), nn.SpatialConvolution(4, 80, 5, 5).bias)
    within(1 / math.sqrt(3 * 20), nn.TemporalConvolution(20, 40, 3).weight)
    within(1 / math.sqrt(8 * 27), nn.VolumetricConvolution(8, 2, 3, 3, 3).weight)
    within(1 / math.sqrt(4 * 9), nn.Conv2d(8, 16, 3, {groups = 2}).weight)
    within(1 / math.sqrt(16 * 4), nn.ConvTranspose2d(8, 16, 2).weight)
    local m = nn.SpatialConvolution(4, 8, 5, 5)
    m:reset(0.1)
    within(0.1 * math.sqrt(3), m.weight)
    m = nn.SpatialConvolutionMap(torch.Tensor{{1, 1}, {2, 1}, {2, 2}}, 9, 9)
    within(1 / math.sqrt(81 * 2), m.weight:narrow(1, 1, 2))
    within(1 / 9, m.weight:narrow(1, 3, 1))
  end)

  it('print as in Torch7', function()
    local cases = {
      ['nn.SpatialConvolution(3 -> 16, 5x4)'] = nn.SpatialConvolution(3, 16, 5, 4),
      ['nn.SpatialConvolution(3 -> 16, 5x5, 2,2)'] = nn.SpatialConvolution(3, 16, 5, 5, 2, 2),
      ['nn.SpatialConvolution(3 -> 16, 5x5, 1,1, 2,2) without bias'] =
        nn.SpatialConvolution(3, 16, 5, 5, 1, 1, 2):noBias(),
      ['nn.SpatialDilatedConvolution(3 -> 4, 3x3, 1,1, 0,0, 2,2)'] =
        nn.SpatialDilatedConvolution(3, 4, 3, 3, 1, 1, 0, 0, 2),
      ['nn.SpatialFullConvolution(3 -> 4, 3x3, 2,2, 1,1, 1,1)'] =
        nn.SpatialFullConvolution(3, 4, 3, 3, 2, 2, 1, 1, 1, 1),
      ['nn.VolumetricConvolution(3 -> 4, 1x2x3)'] = nn.VolumetricConvolution(3, 4, 1, 2, 3),
      ['nn.SpatialMaxPooling(2x3, 2,3)'] = nn.SpatialMaxPooling(2, 3),
      ['nn.SpatialAveragePooling(3x3, 2,2, 1,1)'] = nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1),
      ['nn.VolumetricMaxPooling(2x2x2, 2,2,2)'] = nn.VolumetricMaxPooling(2, 2, 2),
      ['nn.SpatialZeroPadding(l=1, r=1, t=2, b=-1)'] = nn.SpatialZeroPadding(1, 1, 2, -1),
      ['nn.Conv2d(3, 16, 3)'] = nn.Conv2d(3, 16, 3),
      ["nn.Conv2d(4, 16, {3, 5}, {stride=2, padding='valid', groups=2}) without bias"] =
        nn.Conv2d(4, 16, {3, 5}, {stride = 2, padding = 'valid', groups = 2, bias = false}),
      ['nn.MaxPool2d(3, {stride=2})'] = nn.MaxPool2d(3, 2),
      ["nn.Upsample({scale_factor=2, mode='nearest'})"] = nn.Upsample{scale_factor = 2},
    }
    for text, module in pairs(cases) do assert.equal(text, tostring(module)) end
  end)

  it('drop the bias', function()
    for _, m in ipairs {nn.SpatialConvolution(2, 3, 3, 3), nn.VolumetricConvolution(2, 3, 1, 1, 1),
      nn.SpatialFullConvolution(2, 3, 3, 3), nn.TemporalConvolution(2, 3, 1)} do
      assert.equal(m, m:noBias())
      assert.is_nil(m.bias)
      assert.is_nil(m.gradBias)
      assert.equal(1, #m:parameters())
    end
  end)

  it('read weights of old files, which are matrices', function()
    local m, x = nn.SpatialConvolution(2, 3, 3, 3), torch.randn(2, 5, 5)
    local expected = m:forward(x):clone()
    m.weight = m.weight:view(3, 18)
    m.padW, m.padH, m.padding = nil, nil, 0
    assert.is_true((expected - m:forward(x)):abs():max() < 1e-6)
  end)

  it('take images of bytes, and no images at all', function()
    local m = nn.SpatialConvolution(3, 4, 3, 3)
    local bytes = torch.ByteTensor(2, 3, 6, 6):fill(7)
    assert.is_true((m:forward(bytes) - m:forward(bytes:float())):abs():max() == 0)
    assert.same({0, 4, 4, 4}, m:forward(torch.zeros(0, 3, 6, 6)):size():totable())
    assert.same({0, 3, 3, 3}, nn.MaxPool2d(2):forward(torch.zeros(0, 3, 6, 6)):size():totable())
  end)

  it('say what they expected', function()
    local m = nn.SpatialConvolution(3, 4, 3, 3)
    fails('nn.SpatialConvolution: input has 2 channels, expected 3', m.forward, m,
      torch.randn(2, 5, 5))
    fails('input has 2 dimensions, expected 3 (channel, height, width) or 4', m.forward, m,
      torch.randn(5, 5))
    fails('a tensor (batch, channel, height, width) expected, got a table', m.forward, m, {})
    fails('does not fit an input of size 2', m.forward, m, torch.randn(3, 2, 5))
    fails('float64', m.forward, m, torch.randn(3, 5, 5):double())
    fails('kH: a whole number from 1 on expected, got nil', nn.SpatialConvolution, 3, 4, 3)
    fails('padW: a whole number from 0 on expected, got -1', nn.SpatialConvolution, 3, 4, 3, 3, 1,
      1, -1)
    m = nn.TemporalConvolution(4, 2, 5)
    fails('input has 3 frames, a window needs at least 5', m.forward, m, torch.randn(3, 4))
    fails('input has frames of 3 features, expected 4', m.forward, m, torch.randn(9, 3))
    m = nn.SpatialConvolutionLocal(2, 3, 6, 5, 3, 3)
    fails('input has images of 5x5 (height x width), expected 5x6', m.forward, m,
      torch.randn(2, 5, 5))
    local net = nn.Sequential():add(nn.SpatialConvolution(1, 2, 3, 3))
      :add(nn.SpatialConvolution(3, 2, 3, 3))
    fails('nn.Sequential {2} nn.SpatialConvolution: input has 2 channels, expected 3', net.forward,
      net, torch.randn(1, 9, 9))
  end)

  it('connect some channels', function()
    assert.same({{1, 1}, {2, 1}, {1, 2}, {2, 2}}, tables.full(2, 2):totable())
    assert.same({{1, 1}, {2, 2}, {3, 3}}, tables.oneToOne(3):totable())
    local rows, used = tables.random(6, 4, 3):totable(), {}
    assert.equal(12, #rows)
    for i, row in ipairs(rows) do
      assert.equal(math.floor((i - 1) / 3) + 1, row[2])
      used[row[1]] = (used[row[1]] or 0) + 1
    end
    for from = 1, 6 do assert.equal(2, used[from]) end
    for _, row in ipairs(tables.random(5, 7, 4):totable()) do
      assert.is_true(row[1] >= 1 and row[1] <= 5)
    end
    fails('2 inputs for each output expected at most, got 3', tables.random, 2, 4, 3)
    fails('rows {from, to}', nn.SpatialConvolutionMap, torch.randn(3), 2, 2)
  end)

  it('give the size of a target', function()
    local m = nn.SpatialFullConvolution(1, 1, 3, 3, 2, 2)
    local x, target = torch.randn(1, 4, 5), torch.zeros(7, 10, 11)
    assert.equal('1x10x11', sizes(m:forward({x, target})))
    local gradients = m:backward({x, target}, torch.ones(1, 10, 11))
    assert.equal('1x4x5', sizes(gradients[1]))
    assert.equal(0, gradients[2]:abs():max())
    fails('the target has size 13 in dimension 3, but from an input of size 5 sizes from 11 to 12',
      m.forward, m, {x, torch.zeros(7, 10, 13)})
    fails('adjW and adjH must be smaller than dW = 2', nn.SpatialFullConvolution, 1, 1, 3, 3, 2, 2,
      0, 0, 2)
  end)
end)

describe('poolings', function()
  it('round sizes up or down', function()
    local x = torch.randn(1, 7, 6)
    local m = nn.SpatialMaxPooling(2, 2)
    assert.equal('1x3x3', sizes(m:forward(x)))
    assert.equal(m, m:ceil())
    assert.equal('1x4x3', sizes(m:forward(x)))
    assert.equal('1x3x3', sizes(m:floor():forward(x)))
    assert.equal('1x4x3', sizes(nn.SpatialAveragePooling(2, 2, 2, 2):ceil():forward(x)))
    assert.equal('1x6x5', sizes(nn.SpatialAveragePooling(2, 2):forward(x)))
    -- A window that would begin outside does not count.
    assert.equal('1x2x2', sizes(nn.SpatialMaxPooling(1, 1, 5, 4):ceil():forward(x)))
    assert.equal('1x1x2', sizes(nn.SpatialMaxPooling(3, 8, 3, 8):ceil():forward(x)))
  end)

  it('tell where the greatest values were', function()
    local m, x = nn.SpatialMaxPooling(2, 2), torch.Tensor{{{1, 5, 2, 0}, {4, 3, 9, 7}}}
    m:forward(x)
    assert.same({{{2, 7}}}, m.indices:totable())
    assert.equal(0, m:clearState().indices:nElement())
    m = nn.TemporalMaxPooling(2)
    m:forward(torch.Tensor{{1, 4}, {3, 2}, {0, 7}, {0, 8}})
    assert.same({{2, 1}, {3, 4}}, m.indices:totable())
    local out = nn.MaxPool2d(2, {return_indices = true}):forward(x)
    assert.same({{{2, 7}}}, out[2]:totable())
  end)

  it('count padding or not', function()
    local x, m = torch.ones(1, 2, 2), nn.SpatialAveragePooling(2, 2, 2, 2, 1, 1)
    assert.equal(0.25, m:forward(x)[1][1][1])
    assert.equal(1, m:setCountExcludePad():forward(x)[1][1][1])
    assert.equal(0.25, m:setCountIncludePad():forward(x)[1][1][1])
    fails('padW: at most half of the window, 1, expected, got 2', nn.SpatialMaxPooling, 2, 2, 1, 1,
      2)
  end)

  it('by lot can be held fast', function()
    local m, x = nn.SpatialFractionalMaxPooling(2, 2, 0.7, 0.7), torch.randn(3, 20, 20)
    local first = m:forward(x):clone()
    assert.is_true((m:forward(x) - first):abs():max() > 0)
    first = m:fixPoolingRegions():forward(x):clone()
    assert.equal(0, (m:forward(x) - first):abs():max())
    assert.equal('3x14x14', sizes(first))
    -- Every value is where its index says.
    local found = torch.gather(x:view(3, 400), 2, m.indices:view(3, 196))
    assert.equal(0, (found - first:view(3, 196)):abs():max())
    fails('a result of size 8 with windows of 2 expects an input of at least 9 along H, got 8',
      function() nn.SpatialFractionalMaxPooling(2, 2, 3, 8):forward(torch.randn(1, 8, 8)) end)
  end)

  it('are reversed by unpoolings that stand elsewhere', function()
    local pool = nn.SpatialMaxPooling(2, 2)
    local net = nn.Sequential():add(pool):add(nn.SpatialMaxUnpooling(pool))
    local x = torch.Tensor{{{1, 5, 2}, {4, 3, 9}, {0, 0, 0}}}
    assert.same({{{0, 5, 0}, {0, 0, 0}, {0, 0, 0}}}, net:forward(x):totable())
    local copy = net:clone()
    assert.is_true(rawequal(copy.modules[1], copy.modules[2].pooling))
    fails('the pooling module must run before', function()
      nn.SpatialMaxUnpooling(nn.SpatialMaxPooling(2, 2)):forward(x)
    end)
    fails('a module of class nn.SpatialMaxPooling expected', nn.SpatialMaxUnpooling, nn.Identity())
  end)

  it('of norms have a gradient where all is 0', function()
    local m = nn.SpatialLPPooling(1, 2, 2, 2)
    local x = torch.zeros(1, 2, 2)
    assert.equal(0, m:forward(x)[1][1][1])
    assert.equal(0, m:backward(x, torch.ones(1, 1, 1)):abs():max())
  end)

  it('keep k values, more of longer sequences', function()
    local m = nn.TemporalDynamicKMaxPooling(2, 0.5)
    assert.same({{9}, {7}, {8}}, m:forward(torch.Tensor{{9}, {1}, {7}, {2}, {8}}):totable())
    assert.same({{1}, {2}}, m:forward(torch.Tensor{{1}, {2}, {0}}):totable())
  end)
end)

describe('layers with PyTorch\'s names', function()
  it('take arguments by position and by name', function()
    local x = torch.randn(2, 4, 9, 9)
    for _, m in ipairs {nn.Conv2d(4, 6, 3, 2, 1, 1, 2, false),
      nn.Conv2d(4, 6, {kernel_size = 3, stride = 2, padding = 1, groups = 2, bias = false}),
      nn.Conv2d{in_channels = 4, out_channels = 6, kernel_size = {3, 3}, stride = {2, 2},
        padding = 1, groups = 2, bias = false}} do
      assert.equal('6x2x3x3', sizes(m.weight))
      assert.is_nil(m.bias)
      assert.equal('2x6x5x5', sizes(m(x)))
    end
    fails("no option 'strid'; there are in_channels, ", nn.Conv2d, 4, 6, 3, {strid = 2})
    fails('stride was given twice', nn.Conv2d, 4, 6, 3, 2, {stride = 2})
    fails('9 arguments at most expected', nn.Conv2d, 4, 6, 3, 1, 0, 1, 1, true, 'zeros', 1)
    fails('kernel_size: a number or a table of 2 expected, got a table of 3', nn.Conv2d, 4, 6,
      {1, 2, 3})
    fails('3 and 4 channels cannot be parted into 2 groups', nn.Conv2d, 3, 4, 3, {groups = 2})
    fails("padding_mode: one of 'zeros', 'reflect', 'replicate', 'circular' expected, got mirror",
      nn.Conv2d, 3, 4, 3, {padding_mode = 'mirror'})
    fails('output_padding: less than the stride or the dilation expected, got 2',
      nn.ConvTranspose2d, 3, 4, 3, {stride = 2, output_padding = 2})
    fails('either a size or a scale_factor expected', nn.Upsample)
  end)

  it('resize as they are told', function()
    local x = torch.randn(1, 2, 4, 6)
    assert.equal('1x2x6x9', sizes(nn.Upsample{scale_factor = 1.5}(x)))
    assert.equal('1x2x5x6', sizes(nn.AdaptiveAvgPool2d{5, 0}(x)))
    assert.equal('1x2x8x12', sizes(nn.ConvTranspose2d(2, 2, 4, {stride = 2, padding = 1})(x)))
    assert.equal('1x2x4x6', sizes(nn.Conv2d(2, 2, 4, {padding = 'same'})(x)))
    assert.is_true((nn.Fold({4, 6}, 2, {stride = 2})(nn.Unfold(2, {stride = 2})(x)) - x)
      :abs():max() == 0)
    fails('input has width 6, of which a padding of -3 and -3 leaves 0', function()
      nn.ZeroPad2d(-3)(x)
    end)
  end)
end)
