-- Which operations a GPU does not do itself: each call of one copies its inputs to the host, and
-- the results back. Whoever writes a kernel takes its row out; one a line, in alphabetical order.
local torch = require('torch')

local by_way_of_the_cpu = {
  'ctc_loss',
  'ctc_loss_curve',
  'ctc_loss_slope',
  'custom',
  'eig',
  'eigvals',
  'pstrf',
}

if not torch.cuda.is_available() then return end

describe('operations of a GPU', function()
  local has = torch.cuda.has_kernel()

  it('are all in the table', function()
    local count = 0
    for _ in pairs(has) do count = count + 1 end
    assert.is_true(count >= #torch.ops)
    for _, op in ipairs(torch.ops) do assert.is_not_nil(has[op.op], op.op) end
  end)

  it('have a kernel, or are listed as going by way of the CPU', function()
    local listed, missing, needless = {}, {}, {}
    for _, name in ipairs(by_way_of_the_cpu) do
      listed[name] = true
      if has[name] ~= false then needless[#needless + 1] = name end
    end
    for name, kernel in pairs(has) do
      if not kernel and not listed[name] then missing[#missing + 1] = name end
    end
    table.sort(missing)
    assert.are.equal('', table.concat(missing, ' '), 'without a kernel and not listed')
    assert.are.equal('', table.concat(needless, ' '), 'listed, but with a kernel or unknown')
  end)
end)
