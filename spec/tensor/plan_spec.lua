-- Every row of the operation table in a plan: run again, it gives what the operation gives.
local samples = require 'spec.support.samples'
local tensors = require 'spec.support.tensors'

local unpack = table.unpack or unpack
local plan = torch.plan

-- What has to look at values on the way, as for the size of a result, or whose samples do, to tell
-- which of several right answers they got: no plan can repeat that.
local REFUSED = {}
for name in ([[ bincount eig eigh eigvals eigvalsh gels geqrf gru_layer histogram histogram_edges
    lstm_layer lstsq matrix_exp nonzero one_hot orgqr ormqr pinv qr rnn_layer svd svdvals symeig
    unique unique_consecutive clip_norms unscale_steps ]]):gmatch('%S+') do
  REFUSED[name] = true
end

local function call(row, sample, inputs)
  torch.manualSeed(7)
  return {sample.call(torch[row.name], sample.args(unpack(inputs)))}
end

local function copies(inputs)
  local list = {}
  for k, x in ipairs(inputs) do list[k] = x:clone() end
  return list
end

-- Other values that are as good for most operations.
local function others(inputs)
  local list = {}
  for k, x in ipairs(inputs) do
    list[k] = x:nElement() > 0 and x:view(-1):flip(1):viewAs(x):contiguous() or x:clone()
  end
  return list
end

-- Notes a sample's call; nil and the message where that is refused.
local function note(row, sample)
  local p = plan.begin(sample.inputs)
  local inside, outputs = {}, {}
  for k in ipairs(sample.inputs) do inside[k] = plan.input(p, k) end
  local ok, message = pcall(function()
    for _, result in ipairs(call(row, sample, inside)) do
      if not torch.isTensor(result) then error('a ' .. type(result), 0) end
      outputs[#outputs + 1] = result
    end
    plan.finish(p, outputs)
  end)
  if ok then return p, #outputs end
  plan.release(p)
  return nil, message
end

local function run(p, count, inputs)
  torch.manualSeed(7)
  assert.is_true(plan.run(p, unpack(copies(inputs))))
  local results = {}
  for k = 1, count do results[k] = plan.output(p, k) end
  return results
end

local found, calls_with_numbers = {}, 0

for _, row in ipairs(torch.ops) do
  it('a plan repeats ' .. row.op, function()
    for _, sample in ipairs(samples.typed(row)) do
      local p, count = note(row, sample)
      if not p and count:find('^a %a+$') then
        calls_with_numbers = calls_with_numbers + 1 -- the sum of all is a number, and so on
      elseif not p then
        assert.matches('looked at values', count)
        found[row.op] = true
      else
        local other = others(sample.inputs)
        local ok, expected = pcall(call, row, sample, copies(other))
        if ok and #expected == count then
          local given = run(p, count, other)
          for k = 1, count do tensors.assert_same(expected[k], given[k]) end
        end
        expected = call(row, sample, copies(sample.inputs))
        local given = run(p, count, sample.inputs)
        for k = 1, count do tensors.assert_same(expected[k], given[k]) end
        plan.release(p)
      end
    end
  end)
end

it('no other operations than these look at values', function()
  assert.same(REFUSED, found)
  assert.is_true(calls_with_numbers < 150)
end)
