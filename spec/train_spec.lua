-- scripts/train/mnist.lua as people run it: on few digits, stopped, resumed, and told nonsense.
local torch = require 'torch'
require 'nn'
local program = require 'spec.vm.program'

local SMALL = '-train 320 -hidden 16 '

local function train(arguments)
  return program.run('scripts/train/mnist.lua ' .. arguments)
end

local function exists(path)
  local file = io.open(path, 'rb')
  if file then file:close() end
  return file ~= nil
end

describe('scripts/train/mnist.lua', function()
  local first, second = os.tmpname(), os.tmpname()

  teardown(function()
    os.remove(first)
    os.remove(second)
  end)

  it('trains, saves, and ends with the accuracy', function()
    local output, status = train(SMALL .. '-epochs 1 -save ' .. first)
    assert.equal(0, status)
    assert.is_truthy(output:find('(1): nn.Linear(784 -> 16)', 1, true))
    assert.is_truthy(output:find('epoch 1/1  loss %d'))
    assert.is_truthy(output:find('epoch 1/1  test accuracy %d+%.%d%d %%'))
    assert.is_truthy(output:find('read %d'))
    assert.is_truthy(output:find('\ntest accuracy: %d+%.%d%d %%\n$'))
    local checkpoint = torch.load(first)
    assert.equal(1, checkpoint.epoch)
    assert.equal('nn.Sequential', torch.type(checkpoint.model))
  end)

  it('goes on from a checkpoint as if there had been no break', function()
    local output, status = train(('-epochs 3 -resume %s -save %s'):format(first, first))
    assert.equal(0, status)
    assert.is_truthy(output:find('going on after epoch 1', 1, true))
    local whole, whole_status = train(SMALL .. '-epochs 3 -save ' .. second)
    assert.equal(0, whole_status)
    assert.equal(whole:match('[^\n]*\n$'), output:match('[^\n]*\n$'))
    local a, b = torch.load(first), torch.load(second)
    assert.equal(3, a.epoch)
    for i, tensor in ipairs((a.model:parameters())) do
      assert.is_true(tensor:equal(b.model:parameters()[i]))
    end
    for i, state in ipairs(a.optimizer.state) do
      assert.is_true(state.v:equal(b.optimizer.state[i].v))
    end
  end)

  it('learns', function()
    local output = train('-train 3000 -hidden 32 -epochs 3 -distort 0 -save ' .. second)
    assert.is_true(tonumber(output:match('([%d.]+) %%\n$')) > 80)
  end)

  it('stops at Ctrl-C with the last checkpoint whole', function()
    os.remove(second)
    local output, status = program.shell(([[
%s scripts/train/mnist.lua -hidden 16 -train 2000 -epochs 100000 -save %s & pid=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  [ -s %s ] && break
  sleep 0.5
done
sleep 0.1
kill -INT $pid
wait $pid]]):format(program.path, second, second))
    assert.equal(130, status)
    assert.is_truthy(output:find('interrupted: epoch %d+ is saved, %-resume '))
    assert.is_true(torch.load(second).epoch >= 1)
  end)

  it('explains itself, and what is wrong', function()
    local output, status = train('-help')
    assert.equal(0, status)
    for _, name in ipairs {'epochs', 'batch', 'lr', 'hidden', 'seed', 'threads', 'save', 'resume',
      'data'} do
      assert.is_truthy(output:find('  -' .. name .. ' ', 1, true))
    end
    for arguments, message in pairs {
      ['-nonsense'] = 'invalid argument: -nonsense',
      ['-epochs 0'] = '-epochs: a whole number above 0 expected, got 0',
      ['-resume /nowhere/x.t7'] = 'cannot open /nowhere/x.t7',
      ['-resume README.md'] = 'README.md',
      ['-data /nowhere'] = 'looked in: /nowhere',
      [SMALL .. '-epochs 1 -save /nowhere/x.t7'] = 'cannot write /nowhere/x.t7',
      [SMALL .. '-epochs 1 -save /dev/full'] = 'No space left on device',
    } do
      output, status = train(arguments)
      assert.equal(1, status)
      assert.is_truthy(output:find(message, 1, true))
    end
    assert.is_false(exists('/nowhere/x.t7'))
  end)
end)
