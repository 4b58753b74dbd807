-- The training scripts on a GPU: some steps, a checkpoint, and on from there, on either device.
local torch = require 'torch'
local program = require 'spec.vm.program'

if not torch.cuda.is_available() then return end

local function run(script, options)
  return program.shell(('%s/moonlet scripts/train/%s.lua %s'):format(program.build, script,
    options))
end

local CASES = {
  mnist = {first = '-epochs 1 -train 64 -batch 16', more = '-epochs 2 -train 64',
    last = 'test accuracy: [%d.]+ %%'},
  images = {first = '-epochs 1 -train 32 -batch 16 -test 10', more = '-epochs 2 -test 10',
    last = 'test accuracy: [%d.]+ %%', fp16 = true},
  charlm = {first = '-steps 2 -layers 1 -width 16 -heads 2 -context 8 -batch 2 -every 2 -sample 5',
    more = '-steps 4 -sample 5', last = 'step 4/4  validation loss [%d.]+', fp16 = true},
}

describe('scripts/train', function()
  for script, case in pairs(CASES) do
    it(script .. ' trains on a GPU', function()
      local file = os.tmpname()
      local extra = case.fp16 and ' -fp16' or ''
      local text, status = run(script, case.first .. ' -device cuda -save ' .. file .. extra)
      assert.equal(0, status, text)
      local saved = torch.load(file)
      assert.equal('torch.CudaTensor', (saved.model:parameters())[1]:type())
      for _, device in ipairs {'cuda', 'cpu'} do
        text, status = run(script, ("%s -device %s -resume %s -save ''"):format(case.more, device,
          file))
        assert.equal(0, status, text)
        assert.is_truthy(text:find(case.last), text)
      end
      os.remove(file)
    end)
  end

  it('says what is wrong with a device', function()
    local text, status = run('mnist', '-device tpu')
    assert.is_true(status ~= 0)
    assert.is_truthy(text:find("-device: no such device: 'tpu'", 1, true), text)
    text, status = run('images', '-bf16 -fp16')
    assert.is_true(status ~= 0)
    assert.is_truthy(text:find('not both', 1, true), text)
  end)
end)
