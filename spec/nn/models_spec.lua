-- The zoo: numbers of parameters, and small versions that learn, are saved, copied and printed.
local torch, nn, optim = require 'torch', require 'nn', require 'optim'

-- ---------------------------------------------------------------------------------------------
-- Counting without making: a stand-in for a parameter knows its sizes, and lets all else happen.

local function product(sizes, first)
  local out = 1
  for i = first or 1, #sizes do out = out * sizes[i] end
  return out
end

local function stand_in(sizes)
  local self = {}
  return setmetatable(self, {__index = function(_, name)
    if name == 'size' then return function(_, d) return sizes[d] end end
    if name == 'nElement' then return function() return product(sizes) end end
    return function() return self end
  end})
end

local function count(make)
  local Module, total = torch.getmetatable('nn.Module'), 0
  local parameter = Module.parameter
  Module.parameter = function(self, name, ...)
    total = total + product{...}
    local made = stand_in{...}
    self.parameterNames = self.parameterNames or {}
    table.insert(self.parameterNames, name)
    self[name], self['grad' .. name:sub(1, 1):upper() .. name:sub(2)] = made, made
    return made
  end
  local ok, message = pcall(make)
  Module.parameter = parameter
  if not ok then error(message, 0) end
  return total
end

-- Published by the models' authors, PyTorch's, or by formula.
local COUNTS = {
  {61706, 'LeNet'}, {101770, 'MLP', {784, 128, 10}},
  {132863336, 'VGG', {depth = 11}}, {133053736, 'VGG', {depth = 13, batch_norm = true}},
  {138357544, 'VGG', {depth = 16}}, {143667240, 'VGG', {depth = 19}},
  {11689512, 'ResNet', {depth = 18}}, {21797672, 'ResNet', {depth = 34}},
  {25557032, 'ResNet', {depth = 50}}, {44549160, 'ResNet', {depth = 101}},
  {60192808, 'ResNet', {depth = 152}},
  {11173962, 'ResNet', {depth = 18, classes = 10, small_images = true}},
  {3504872, 'MobileNetV2'}, {1968680, 'MobileNetV2', {width = 0.5}},
  {31037698, 'UNet', {channels = 3, classes = 2}},
  {124439808, 'GPT', {vocabulary = 50257, context = 1024, layers = 12, heads = 12, width = 768}},
  {5717416, 'ViT'}, {86567656, 'ViT', {width = 768, heads = 12}},
  {652824, 'VAE'}, {3576704, 'DCGANGenerator'}, {2765568, 'DCGANDiscriminator'},
  -- embedding, two layers of PyTorch's LSTM, the output
  {65 * 128 + 2 * 4 * 128 * (256 + 2) + 128 * 65 + 65, 'CharLSTM', {vocabulary = 65, layers = 2,
    width = 128}},
}

describe('the zoo', function()
  for _, case in ipairs(COUNTS) do
    it(('has %s with %d parameters'):format(case[2], case[1]), function()
      assert.equal(case[1], count(function() nn[case[2]](case[3]) end))
    end)
  end

  it('counts what is there', function()
    local total = 0
    for _, tensor in ipairs((nn.ResNet{depth = 18, width = 8}:parameters())) do
      total = total + tensor:nElement()
    end
    assert.equal(count(function() nn.ResNet{depth = 18, width = 8} end), total)
  end)

  it('refuses options that it does not know, or that cannot be', function()
    for message, make in pairs {
      ["nn.ResNet: no option 'dept'; there are channels, classes, depth"] = function()
        nn.ResNet{dept = 18}
      end,
      ['nn.ResNet: depth: one of 18, 34, 50, 101, 152 expected, got 20'] = function()
        nn.ResNet{depth = 20}
      end,
      ['nn.VGG: classes: a whole number above 0 expected, got 1.5'] = function()
        nn.VGG{classes = 1.5}
      end,
      ['nn.VGG: batch_norm: a boolean expected, got string'] = function()
        nn.VGG{batch_norm = 'yes'}
      end,
      ['nn.MobileNetV2: dropout: a number from 0 to below 1 expected, got 1'] = function()
        nn.MobileNetV2{dropout = 1}
      end,
      ['nn.GPT: vocabulary: a whole number above 0 expected, got nil'] = function() nn.GPT() end,
      ['nn.GPT: a table of options expected'] = function() nn.GPT(65) end,
      ['width 10 cannot be parted into 4 heads'] = function()
        nn.GPT{vocabulary = 3, width = 10}
      end,
      ['size 30 cannot be parted into patches of 4'] = function() nn.ViT{size = 30, patch = 4} end,
      ['nn.LeNet: size: a multiple of 4, 12 or more, expected, got 30'] = function()
        nn.LeNet{size = 30}
      end,
      ["nn.LeNet: activation: the name of a class of nn expected, got 'Foo'"] = function()
        nn.LeNet{activation = 'Foo'}
      end,
      ['nn.MLP: two sizes or more expected'] = function() nn.MLP{784} end,
      ['nn.MLP: size 2: a whole number above 0 expected, got 0'] = function() nn.MLP{784, 0} end,
      ['nn.DCGANGenerator: size: one of 8, 16, 32'] = function() nn.DCGANGenerator{size = 48} end,
    } do
      local ok, got = pcall(make)
      assert.is_false(ok)
      assert.is_truthy(got:find(message, 1, true), got)
    end
  end)
end)

-- ---------------------------------------------------------------------------------------------
-- Small versions. Each: a model, an input, and a loss of the model's output; rate of Adam, steps.

local function classes_of(n, count_of_classes)
  local labels = torch.LongTensor(n)
  for i = 1, n do labels[i] = (i - 1) % count_of_classes + 1 end
  return labels
end

local criterion = nn.CrossEntropyCriterion()

local function classify(classes)
  return function(output) return criterion(output, classes_of(output:size(1), classes)) end
end

local function tokens(vocabulary, batch, time)
  local out = torch.LongTensor(batch, time)
  for b = 1, batch do
    for t = 1, time do out[b][t] = (b * t + t) % vocabulary + 1 end
  end
  return out
end

local function next_token(model)
  return function(_, input)
    local time = input:size(2)
    return model:loss(input:narrow(2, 1, time - 1), input:narrow(2, 2, time - 1))
  end
end

local function images(channels, size, batch)
  return function() return torch.randn(batch or 4, channels, size, size) end
end

local SMALL = {
  MLP = {function() return nn.MLP{6, 8, 3, activation = 'Tanh', dropout = 0.1} end,
    function() return torch.randn(4, 6) end, classify(3)},
  ['MLP, normalized'] = {function() return nn.MLP{6, 8, 8, 3, batch_norm = true} end,
    function() return torch.randn(4, 6) end, classify(3)},
  LeNet = {function() return nn.LeNet{size = 12, classes = 3} end, images(1, 12), classify(3)},
  ['LeNet, of the paper'] = {function()
    return nn.LeNet{size = 12, classes = 3, activation = 'Tanh', pooling = 'average'}
  end, images(1, 12), classify(3)},
  VGG = {function()
    return nn.VGG{depth = 11, width = 2, hidden = 8, pooled = 1, classes = 3, dropout = 0}
  end, images(3, 32), classify(3), rate = 0.01, steps = 30},
  ['VGG, normalized'] = {function()
    return nn.VGG{depth = 13, width = 2, hidden = 8, pooled = 1, classes = 3, batch_norm = true}
  end, images(3, 32), classify(3), steps = 20},
  ResNet = {function()
    return nn.ResNet{depth = 18, width = 4, classes = 3, small_images = true}
  end, images(3, 8), classify(3)},
  ['ResNet, of bottlenecks'] = {function() return nn.ResNet{depth = 50, width = 2, classes = 3} end,
    images(3, 32), classify(3), steps = 30},
  MobileNetV2 = {function()
    return nn.MobileNetV2{width = 0.1, classes = 3, small_images = true, dropout = 0}
  end, images(3, 16), classify(3)},
  UNet = {function() return nn.UNet{channels = 1, classes = 1, width = 2, depth = 2} end,
    images(1, 10, 2), function(output) return torch.square(output - 1):mean() end},
  ['UNet, plain'] = {function()
    return nn.UNet{channels = 2, classes = 1, width = 4, depth = 1, batch_norm = false}
  end, images(2, 7, 2), function(output) return torch.square(output - 1):mean() end},
  CharLSTM = {function() return nn.CharLSTM{vocabulary = 7, width = 16, layers = 2} end,
    function() return tokens(7, 2, 9) end, next_token, steps = 20},
  GPT = {function()
    return nn.GPT{vocabulary = 7, context = 8, layers = 2, heads = 2, width = 16}
  end, function() return tokens(7, 2, 8) end, next_token},
  ['GPT, untied'] = {function()
    return nn.GPT{vocabulary = 7, context = 8, layers = 1, heads = 1, width = 8, tied = false,
      bias = false, dropout = 0.1}
  end, function() return tokens(7, 2, 8) end, next_token},
  ViT = {function()
    return nn.ViT{size = 8, patch = 4, channels = 1, classes = 3, layers = 2, width = 16, heads = 2}
  end, images(1, 8), classify(3)},
  VAE = {function() return nn.VAE{inputs = 9, hidden = 8, latent = 2} end,
    function() return torch.bernoulli(torch.Tensor(4, 3, 3):fill(0.5)) end,
    function(model) return function(_, input) return model:loss(input) end end, steps = 30},
  DCGAN = {function() return nn.DCGAN{latent = 4, size = 8, width = 4, channels = 1} end,
    function() return torch.randn(4, 4) end,
    function(model) return function() return model:generator_loss(8) end end},
  DCGANGenerator = {function()
    return nn.DCGANGenerator{latent = 4, size = 16, width = 2, channels = 1}
  end, function() return torch.randn(4, 4) end,
    function(output) return torch.square(output - 0.5):mean() end},
  DCGANDiscriminator = {function()
    return nn.DCGANDiscriminator{size = 16, width = 2, channels = 1}
  end, images(1, 16), function(output) return torch.softplus(-output):mean() end},
}

local function train(model, input, case)
  local loss_of = case[3]
  if loss_of == next_token or model.loss or model.generator_loss then loss_of = loss_of(model) end
  local optimizer = optim.Adam(model:parameters(), {lr = case.rate or 0.01})
  local first, last = 0, 0
  local steps = case.steps or 12
  for step = 1, steps do
    -- dropout and noise make single steps uneven
    local loss = loss_of(model(input), input)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
    if step <= 3 then first = first + loss:item() end
    if step > steps - 3 then last = last + loss:item() end
  end
  return first, last
end

-- Tensors of an output, one after the other.
local function flat(output)
  if torch.isTensor(output) then return output:detach():contiguous():view(-1):clone() end
  local parts = {}
  for i, part in ipairs(output) do parts[i] = flat(part) end
  return torch.cat(parts, 1)
end

for name, case in pairs(SMALL) do
  describe('nn.' .. name, function()
    torch.manualSeed(11)
    local model, input = case[1](), case[2]()

    it('learns', function()
      local first, last = train(model, input, case)
      assert.is_true(last < 0.95 * first, ('%g, then %g'):format(first, last))
    end)

    it('is saved, copied and printed', function()
      model:evaluate()
      local wanted = flat(model:forward(input))
      assert.is_true(wanted:equal(flat(model:forward(input))))
      local saved = torch.serialize(model:clearState())
      assert.is_true(wanted:equal(flat(torch.deserialize(saved):forward(input))))
      local copy = model:clone()
      assert.is_true(wanted:equal(flat(copy:forward(input))))
      torch.no_grad(function()
        for _, tensor in ipairs((copy:parameters())) do tensor:zero() end
      end)
      assert.is_true(wanted:equal(flat(model:forward(input))))
      local text = tostring(model)
      assert.equal('nn.' .. name:match('%w+') .. ' {', text:match('[^\n]*'))
      assert.is_truthy(text:find('\n  (1): nn.', 1, true))
    end)

    it('may be drawn anew, and calculates in float64', function()
      local before = (model:parameters())[1]:detach():clone()
      model:reset()
      assert.is_false(before:equal((model:parameters())[1]:detach()))
      model:double():evaluate()
      local double_input = input.dtype == 'int64' and input or input:double()
      assert.equal('float64', flat(model:forward(double_input)).dtype)
    end)
  end)
end

-- ---------------------------------------------------------------------------------------------

describe('models of text', function()
  it('do less work for many tokens of few kinds, with the same result', function()
    local model, given = nn.CharLSTM{vocabulary = 5, width = 8, layers = 2}, tokens(5, 3, 7)
    local _, gradients = model:getParameters()
    local function run(y)
      gradients:zero()
      torch.cmul(y, y):sum():backward()
      return y:detach():clone(), gradients:clone()
    end
    local modules = model.modules
    local y, d = run(modules[4](modules[2](modules[1](given))))
    local got_y, got_d = run(model(given))
    assert.is_true((y - got_y):abs():max() < 1e-5)
    assert.is_true((d - got_d):abs():max() < 1e-4)
    assert.is_true((model:forward(given) - y):abs():max() < 1e-5)
    assert.equal(3, modules[1].output:dim())
    assert.error_matches(function() model(torch.LongTensor(4, 5):fill(6)) end,
      'nn.CharLSTM {1} nn.Embedding: ')
  end)

  local makers = {
    GPT = function()
      return nn.GPT{vocabulary = 9, context = 12, layers = 2, heads = 2, width = 8}
    end,
    CharLSTM = function() return nn.CharLSTM{vocabulary = 9, width = 8, layers = 2} end,
  }
  for name, make in pairs(makers) do
    it(name .. ' goes on as it would without keeping anything', function()
      torch.manualSeed(5)
      local model, given = make(), tokens(9, 2, 4)
      local wanted = given
      for _ = 1, 6 do
        local logits = model:forward(wanted)
        local _, best = logits:select(2, logits:size(2)):max(2)
        wanted = torch.cat(wanted, best, 2)
      end
      local seen = 0
      local got = model:generate(given, 6, {temperature = 0, each = function(token)
        seen = seen + token:size(1)
      end})
      assert.is_true(wanted:equal(got))
      assert.equal(12, seen)
      assert.are.same({24}, model:generate({1, 2, 3, 4}, 20, {top_k = 2}):size():totable())
      assert.is_true(model.train ~= false)
    end)

    it(name .. ' draws by chance', function()
      local model = make()
      torch.manualSeed(1)
      local first = model:generate({1}, 9)
      torch.manualSeed(1)
      assert.is_true(first:equal(model:generate({1}, 9)))
      assert.is_false(first:equal(model:generate({1}, 9)))
    end)

    it(name .. ' refuses nonsense', function()
      local model = make()
      for message, call in pairs {
        ['temperature: a number from 0 on expected, got -1'] = function()
          model:generate({1}, 2, {temperature = -1})
        end,
        ['top_k: a whole number above 0 expected, got 0'] = function()
          model:generate({1}, 2, {top_k = 0})
        end,
        ['tokens (time) or (batch, time) expected'] = function() model:generate({}, 2) end,
        ['10'] = function() model:forward(torch.LongTensor{{1, 10}}) end,
        ['nn.' .. name .. ': tokens (batch, time) or (time) expected, got 3'] = function()
          model:forward(torch.LongTensor(1, 2, 3):fill(1))
        end,
      } do
        local ok, got = pcall(call)
        assert.is_false(ok)
        assert.is_truthy(got:find(message, 1, true), got)
      end
    end)
  end

  it('GPT takes as many tokens as its context has', function()
    local model = makers.GPT()
    assert.are.same({1, 12, 9}, model:forward(tokens(9, 1, 12)):size():totable())
    assert.are.same({5, 9}, model:forward(tokens(9, 1, 5):view(-1)):size():totable())
    local ok, message = pcall(model.forward, model, tokens(9, 1, 13))
    assert.is_false(ok)
    assert.is_truthy(message:find('nn.GPT: 13 tokens, but the context is 12', 1, true))
  end)
end)

describe('models of images', function()
  it('take one image, too', function()
    local image = torch.randn(1, 8, 8)
    local vit = nn.ViT{size = 8, patch = 4, channels = 1, classes = 3, layers = 1, width = 4,
      heads = 1}
    assert.is_true(torch.abs(vit:forward(image) - vit:forward(image:view(1, 1, 8, 8))[1]):max()
      < 1e-5)
    local unet = nn.UNet{classes = 3, width = 2, depth = 1, batch_norm = false}
    assert.are.same({3, 8, 8}, unet:forward(image):size():totable())
    local ok, message = pcall(vit.forward, vit, torch.randn(2, 1, 8, 9))
    assert.is_false(ok)
    assert.is_truthy(message:find('nn.ViT: images of size [batch x 1 x 8 x 8] expected, '
      .. 'got [2 x 1 x 8 x 9]', 1, true))
    ok, message = pcall(unet.forward, unet, torch.randn(1, 1, 1, 8))
    assert.is_false(ok)
    assert.is_truthy(message:find('images of 2 x 2 or more expected, got 1 x 8', 1, true))
  end)

  it('are made', function()
    local vae = nn.VAE{inputs = 9, hidden = 8, latent = 2}
    local drawn = vae:sample(3)
    assert.are.same({3, 9}, drawn:size():totable())
    assert.is_true(drawn:min() > 0 and drawn:max() < 1)
    local gan = nn.DCGAN{latent = 4, size = 8, width = 4, channels = 1}
    drawn = gan:sample(3)
    assert.are.same({3, 1, 8, 8}, drawn:size():totable())
    assert.is_true(drawn:min() > -1 and drawn:max() < 1)
  end)

  it('a discriminator learns from both kinds', function()
    torch.manualSeed(3)
    local gan = nn.DCGAN{latent = 4, size = 8, width = 4, channels = 1}
    local optimizer = optim.Adam(gan:get(2):parameters(), {lr = 0.01})
    local real, first, last = torch.ones(8, 1, 8, 8), nil, nil
    gan:zeroGradParameters()
    for _ = 1, 12 do
      local loss = gan:discriminator_loss(real)
      optimizer:zero_grad()
      loss:backward()
      optimizer:step()
      last = loss:item()
      first = first or last
    end
    assert.is_true(last < 0.8 * first)
    for _, gradient in ipairs(select(2, gan:get(1):parameters())) do
      assert.equal(0, torch.abs(gradient):max())
    end
  end)
end)
