-- scripts/train/images.lua and charlm.lua as people run them: little data, killed, resumed.
local torch = require 'torch'
require 'nn'
local program = require 'spec.vm.program'

-- Runs the script in the background, waits until the file is there, then does what `stop` says.
local function stopped(command, file, stop)
  return program.shell(([[
%s %s & pid=$!
i=0
while [ ! -s %s ] && [ $i -lt 1000 ]; do
  i=$((i + 1))
  sleep 0.02
done
%s
wait $pid]]):format(program.path, command, file, stop))
end

describe('scripts/train/images.lua', function()
  local first, second = os.tmpname(), os.tmpname()
  teardown(function()
    os.remove(first)
    os.remove(second)
  end)

  local function train(arguments)
    return program.run('scripts/train/images.lua ' .. arguments)
  end

  it('trains each of its models', function()
    for model, class in pairs {lenet = 'LeNet', resnet = 'ResNet',
      mobilenet = 'MobileNetV2', vit = 'ViT'} do
      local output, status = train(('-model %s -width 4 -train 16 -test 50 -epochs 1 -save %s')
        :format(model, first))
      assert.equal(0, status, output)
      assert.is_truthy(output:find('nn.' .. class .. ' with %d+ parameters; 16 digits'))
      assert.is_truthy(output:find('\ntest accuracy: %d+%.%d%d %%\n$'))
      assert.equal('nn.' .. class, torch.type(torch.load(first).model))
    end
  end)

  it('goes on from a checkpoint as if there had been no break', function()
    train('-train 96 -test 50 -epochs 2 -bf16 -save ' .. first)
    local output, status = train(('-epochs 3 -test 50 -resume %s -save %s'):format(first, first))
    assert.equal(0, status)
    assert.is_truthy(output:find('going on after epoch 2', 1, true))
    train('-train 96 -test 50 -epochs 3 -bf16 -save ' .. second)
    local a, b = torch.load(first), torch.load(second)
    assert.equal(3, a.epoch)
    assert.equal(b.options.bf16, a.options.bf16)
    -- The rate falls along a cosine of all epochs, so that the first two were not the same.
    assert.equal(#b.model:parameters(), #a.model:parameters())
  end)

  it('learns', function()
    local output = train("-train 1500 -test 1000 -epochs 3 -distort 0 -save ''")
    assert.is_true(tonumber(output:match('([%d.]+) %%\n$')) > 80)
  end)

  it('says what is wrong', function()
    for arguments, message in pairs {
      ['-model foo'] = "-model: one of lenet, mobilenet, resnet, vit expected, got 'foo'",
      ['-epochs 0'] = '-epochs: a whole number above 0 expected, got 0',
      ['-resume README.md'] = 'README.md',
    } do
      local output, status = train(arguments)
      assert.equal(1, status)
      assert.is_truthy(output:find(message, 1, true))
    end
  end)
end)

describe('scripts/train/charlm.lua', function()
  local text, first, second = os.tmpname(), os.tmpname(), os.tmpname()
  local SMALL = ('-data %s -layers 1 -width 16 -heads 2 -context 8 -batch 4 -warmup 5 ')
    :format(text)
  teardown(function()
    for _, path in ipairs {text, first, second} do os.remove(path) end
  end)
  setup(function()
    local file = assert(io.open(text, 'w'))
    file:write(('the cat sat on the mat; '):rep(60))
    file:close()
  end)

  local function train(arguments, input)
    return program.run('scripts/train/charlm.lua ' .. arguments, input)
  end

  it('trains both models, and lets them write', function()
    for model, class in pairs {gpt = 'GPT', lstm = 'CharLSTM'} do
      local output, status = train(SMALL .. ('-model %s -steps 20 -every 10 -lr 0.01 -sample 30 '
        .. '-prompt "the cat" -save %s'):format(model, first))
      assert.equal(0, status, output)
      assert.is_truthy(output:find('nn.' .. class .. ' with %d+ parameters, 11 characters'))
      assert.is_truthy(output:find('step 20/20  validation loss %d+%.%d+\n'))
      assert.is_truthy(output:find('\nthe cat[acehmnost; ]+\n$'))
      local losses = {}
      for loss in output:gmatch('validation loss ([%d.]+)') do losses[#losses + 1] = loss end
      assert.is_true(tonumber(losses[2]) < tonumber(losses[1]))
      assert.equal(20, torch.load(first).step)
    end
  end)

  it('goes on as if there had been no break, also after kill -9', function()
    local run = SMALL .. '-dropout 0.1 -steps 300 -every 10 -sample 20 '
    local whole, status = train(run .. '-save ' .. second)
    assert.equal(0, status)
    os.remove(first)
    stopped('scripts/train/charlm.lua ' .. run .. '-save ' .. first, first,
      'kill -9 $pid')
    assert.is_true(torch.load(first).step >= 10)
    local output
    output, status = train(('-resume %s -save %s -sample 20'):format(first, first))
    assert.equal(0, status)
    assert.is_truthy(output:find('going on after step %d+'))
    assert.equal(whole:match('[^\n]*\n$'), output:match('[^\n]*\n$'))
    local a, b = torch.load(first), torch.load(second)
    assert.equal(300, a.step)
    for i, tensor in ipairs((a.model:parameters())) do
      assert.is_true(tensor:equal(b.model:parameters()[i]))
    end
  end)

  it('goes on from prompts that it is asked', function()
    local output, status = train(('-resume %s -steps 0 -sample 5 -ask'):format(second),
      'the cat\nXYZ\nmat\n')
    assert.equal(0, status)
    assert.is_truthy(output:find('> the cat.....\n'))
    assert.is_truthy(output:find('> error: .*byte 1 of the text, "X"'))
    assert.is_truthy(output:find('> mat.....\n> \n$'))
  end)

  it('reads Shakespeare when nothing else is asked for', function()
    local output, status = train('-layers 1 -width 16 -heads 2 -context 8 -batch 4 -steps 2 '
      .. "-bf16 -sample 0 -save ''")
    assert.equal(0, status, output)
    assert.is_truthy(output:find('parameters, 65 characters', 1, true))
  end)

  it('says what is wrong', function()
    for arguments, message in pairs {
      ['-data /nowhere'] = 'cannot open: /nowhere',
      ['-data /dev/null'] = 'the text is empty',
      [SMALL .. '-context 2000'] = 'the text has 1440 characters, too few for a context of 2000',
      [SMALL .. '-heads 3'] = 'width 16 cannot be parted into 3 heads',
      ['-model foo'] = "-model: one of gpt, lstm expected, got 'foo'",
      ['-steps -1'] = '-steps: a whole number from 0 on expected, got -1',
      ['-resume README.md'] = 'README.md',
    } do
      local output, status = train(arguments)
      assert.equal(1, status)
      assert.is_truthy(output:find(message, 1, true), output)
    end
  end)
end)
