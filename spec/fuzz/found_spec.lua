-- Calls that once crashed, overran, leaked, hung, or made undefined steps: an error, or an answer.
local values = require 'spec.fuzz.values'
local checks = require 'spec.fuzz.checks'

local calls = {
  'torch.rand()', 'torch.full()', "torch.empty(t('int32',{3}),2)",
  "t('float32',{3}):bernoulli()",
  "newindex(t('float32',{}),t('bool',{0,3}),t('bool',{4,4}))",
  'torch.randn(largest,2^53,0)', 'torch.LongTensor(torch.LongStorage{1},least)',
  "t('float32',{1}):expand(2^62,2^62)", "t('float32',{0}):view(2^62,2^62,0)",
  "t('float32',{0}):repeatTensor(2^31,2^31)", "t('float32',{2000}):chunk(largest)",
  "t('float32',{7}):unfold(1,3,2^62)",
  "torch.addcmul(t('uint8',{4}),t('float32',{2,1,2}),t('float32',{3,2,4}))",
  "torch.conv1d(t('float32',{1,1,3}),t('float32',{1,1,2}),nil,1,largest)",
  "torch.conv1d(t('float32',{1,1,5}),t('float32',{1,1,3}),nil,1,'same')",
  "torch.conv_transpose3d(t('float32',{1,1,3,3,3}),t('float32',{1,1,1,1,1}),nil,2^30)",
  "torch.any(t('float32',{4,0,3},'turned'),3)", "torch.norm(t('float64',{4}),1)",
  "torch.pixel_shuffle(t('float32',{1,4,2,2}),2^62)", "t('float64',{3}):combinations(1000,true)",
}

-- What held itself for ever.
local leaks = {
  "t('float32',{1,3,1},'plain','nan','leaf')", -- and a view of it written into itself
  "newindex(t('float64',{1,1,4,4},'holes','mixed','leaf'),1,2)",
}

describe('a hostile call of the past', function()
  it('gives an error or an answer', function()
    for _, text in ipairs(calls) do
      local outcome = {pcall(assert(checks.load('return ' .. text, values.env)))}
      assert(outcome[1] or type(outcome[2]) == 'string', text)
      if outcome[1] then checks.read(outcome[2]) end
    end
    checks.forget()
  end)

  it('leaves no memory behind', function()
    local function live()
      checks.forget()
      collectgarbage()
      collectgarbage()
      return torch.memory().live
    end
    for _, text in ipairs(leaks) do
      local chunk = checks.load('return ' .. text, values.env)
      local before = live()
      for _ = 1, 3 do
        local x = chunk()
        x:squeeze(x)
      end
      assert.equal(before, live(), text)
    end
  end)
end)
