-- Every row of the operation table: documented, differentiated, and blind to strides.
local samples = require 'spec.support.samples'
local tensors = require 'spec.support.tensors'

local unpack = table.unpack or unpack

-- Calls of a sample as a function of its inputs; `dress` changes each input first.
local function applied(row, sample, dress)
  local f = torch[row.name]
  return function(...)
    local inputs = {...}
    if dress then
      for k, x in ipairs(inputs) do inputs[k] = dress(x) end
    end
    return sample.call(f, sample.args(unpack(inputs)))
  end
end

describe('the operation table', function()
  it('has more than 60 rows', function()
    assert.is_true(#torch.ops >= 60)
  end)

  it('names each row once', function()
    local seen = {}
    for _, row in ipairs(torch.ops) do
      assert.is_nil(seen[row.op], row.op .. ' stands twice in the table')
      seen[row.op] = true
    end
  end)
end)

for _, row in ipairs(torch.ops) do
  describe(row.op, function()
    it('has a line of help and a sample', function()
      assert.is_true(#row.doc > 5 and row.doc:find('[.?]$') ~= nil, 'doc: a sentence expected')
      assert.equal('function', type(torch[row.name]))
      assert.is_not_nil(samples.typed(row), 'no sample in spec/support/samples.lua')
    end)

    for alias in (row.aliases or ''):gmatch('%S+') do
      it('answers to ' .. alias, function()
        local sample = samples.typed(row)[1]
        local function call(f) return {sample.call(f, sample.args(unpack(sample.inputs)))} end
        tensors.assert_same(call(torch[row.name]), call(torch[alias]))
      end)
    end

    it('does not see strides and offsets', function()
      for _, sample in ipairs(samples.typed(row)) do
        if #sample.inputs > 0 and not sample.needs_contiguous then
          local plain = {applied(row, sample)(unpack(sample.inputs))}
          local strided = {applied(row, sample, tensors.strided)(unpack(sample.inputs))}
          tensors.assert_same(plain, strided)
        end
      end
    end)

    it('leaves its inputs as they are', function()
      for _, sample in ipairs(samples.typed(row)) do
        local before = {}
        for k, x in ipairs(sample.inputs) do before[k] = x:clone() end
        if row.convention ~= 'I' then applied(row, sample)(unpack(sample.inputs)) end
        for k, x in ipairs(sample.inputs) do
          assert.is_true(torch.equal(before[k], x) or x:nElement() == 0)
        end
      end
    end)

    if row.no_grad then
      it('is not recorded', function()
        assert.is_true(#row.no_grad > 5)
        for _, sample in ipairs(row.floats and samples.typed(row) or {}) do
          for _, x in ipairs(sample.inputs) do x.requires_grad = true end
          local results = {applied(row, sample)(unpack(sample.inputs))}
          for _, y in ipairs(results) do
            assert.is_false(torch.isTensor(y) and y.requires_grad)
          end
        end
      end)
    else
      it('has the gradient that differences give', function()
        for _, sample in ipairs(samples.typed(row)) do
          assert.is_true(torch.gradcheck(applied(row, sample), sample.inputs))
        end
      end)

      it('has the same gradient for strided inputs', function()
        for _, sample in ipairs(samples.typed(row)) do
          if not sample.needs_contiguous then
            assert.is_true(torch.gradcheck(applied(row, sample, tensors.strided), sample.inputs))
          end
        end
      end)

      it('has the second gradient that differences give, or says that there is none', function()
        for _, sample in ipairs(samples.typed(row)) do
          if row.once then
            assert.error_matches(function()
              torch.gradcheck(applied(row, sample), sample.inputs, {second = true})
            end, 'no second gradient')
            return
          end
          assert.is_true(torch.gradcheck(applied(row, sample), sample.inputs, {second = true}))
        end
      end)
    end
  end)
end
