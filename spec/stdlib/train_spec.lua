-- What training scripts have in common: checkpoints, options, distorted images, text as classes.
local torch = require 'torch'
local data = require 'data'
local checkpoint = require 'train.checkpoint'
local distort = require 'image.distort'
local program = require 'spec.vm.program'

describe('train.checkpoint', function()
  local path = os.tmpname()
  teardown(function() os.remove(path) end)

  it('keeps a state and the random numbers', function()
    torch.manualSeed(4)
    checkpoint.save(path, 'spec 1', {epoch = 3, weights = torch.ones(2)})
    local wanted = torch.randn(3)
    local state = checkpoint.load(path, 'spec 1')
    assert.equal(3, state.epoch)
    assert.are.same({1, 1}, state.weights:totable())
    assert.is_true(torch.randn(3):equal(wanted))
    assert.has_error(function() checkpoint.load(path, 'spec 2') end,
      path .. ' is not a checkpoint of this script')
  end)

  it('lets the command line win over what is saved', function()
    local options = {lr = 5, epochs = 9, save = 'x'}
    checkpoint.merge(options, checkpoint.pick({lr = 1, epochs = 2, data = 'y'}, {'lr', 'epochs'}),
      {'-lr', '5'})
    assert.are.same({lr = 5, epochs = 2, save = 'x'}, options)
  end)
end)

describe('train.script', function()
  local function run(code)
    local script = program.script("local script = require 'train.script'; " .. code)
    local output, status = program.run(program.quote(script))
    os.remove(script)
    return output, status
  end

  it('ends with one line when something fails', function()
    local output, status = run([[script.run(function() error('oh', 0) end, {})]])
    assert.equal('error: oh\n', output)
    assert.equal(1, status)
    output, status = run([[script.run(function() error('interrupted', 0) end,
      {saved = 'epoch 3', save = 'x.t7'})]])
    assert.equal('\ninterrupted: epoch 3 is saved, -resume x.t7 goes on\n', output)
    assert.equal(130, status)
  end)

  it('checks options', function()
    local cmd = 'local cmd = torch.CmdLine(); '
    local output, status = run(cmd .. "script.whole(cmd, {n = 0}, {'n'}, 1)")
    assert.is_truthy(output:find('-n: a whole number above 0 expected, got 0', 1, true))
    assert.equal(1, status)
    output = run(cmd .. "script.whole(cmd, {n = 1.5}, {'n'}, 0)")
    assert.is_truthy(output:find('-n: a whole number from 0 on expected, got 1.5', 1, true))
    output = run(cmd .. "script.one_of(cmd, {m = 'c'}, 'm', {'a', 'b'})")
    assert.is_truthy(output:find("-m: one of a, b expected, got 'c'", 1, true))
  end)
end)

describe('image.distort', function()
  it('moves pixels a little, the same way for all images', function()
    torch.manualSeed(2)
    local images = torch.zeros(2, 64)
    images:view(2, 8, 8)[{{}, {3, 5}, {3, 5}}] = 1
    assert.is_true(distort(images, 0) == images)
    local moved = distort(images, 1)
    assert.are.same({2, 64}, moved:size():totable())
    assert.is_true(moved[1]:equal(moved[2]))
    assert.is_true(torch.abs(moved - images):max() > 0.1)
    assert.is_true(moved:min() >= 0 and moved:max() <= 1 + 1e-6)
    assert.has_error(function() distort(torch.zeros(2, 60), 1) end)
  end)
end)

describe('data.characters', function()
  it('turns text into classes and back', function()
    local alphabet = data.characters('hello world')
    assert.equal(8, alphabet.size)
    assert.equal(' dehlorw', alphabet.text)
    assert.are.same({5, 6, 8}, alphabet:encode('low'):totable())
    assert.equal('low', alphabet:decode(alphabet:encode('low')))
    assert.equal('e', alphabet:decode(3))
    assert.equal('', alphabet:decode(alphabet:encode('')))
    assert.equal('ld', alphabet:decode(torch.LongTensor{{5}, {2}}))
    assert.equal(alphabet.text, data.characters(alphabet.text).text)
    assert.equal(256, data.characters(('\0\255'):rep(3) .. (function()
      local all = {}
      for byte = 0, 255 do all[byte + 1] = string.char(byte) end
      return table.concat(all)
    end)()).size)
  end)

  it('refuses what it does not know', function()
    local alphabet = data.characters('abc')
    assert.error_matches(function() alphabet:encode('abxc') end,
      'byte 3 of the text, "x", is none of the 3')
    assert.error_matches(function() alphabet:decode{1, 4} end,
      'class 4 at position 2, expected 1 to 3')
    assert.error_matches(function() alphabet:decode(0) end, 'class 0')
    assert.has_error(function() alphabet:encode(7) end)
    assert.has_error(function() data.characters('') end)
    assert.has_error(function() data.characters() end)
  end)
end)
