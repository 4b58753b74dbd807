-- Which operations a GPU does not do itself: each call of one copies its inputs to the host, and
-- the results back. Whoever writes a kernel takes its row out; one a line, in alphabetical order.
local torch = require('torch')

local by_way_of_the_cpu = {
  'adam_step',
  'addmm',
  'addmv',
  'addr',
  'baddbmm',
  'bmm',
  'cat',
  'cholesky',
  'col2im',
  'convolve',
  'convolve_input',
  'convolve_weight',
  'cross_entropy',
  'ctc_loss',
  'ctc_loss_curve',
  'ctc_loss_slope',
  'custom',
  'det',
  'distances',
  'dot',
  'dropout',
  'eig',
  'eigh',
  'eigvals',
  'fft_c2c',
  'fft_c2r',
  'fft_r2c',
  'flip',
  'gather',
  'geqrf',
  'ger',
  'gru_layer_steps',
  'im2col',
  'index',
  'indexAdd',
  'indexCopy',
  'indexFill',
  'inverse',
  'kthvalue',
  'least_squares',
  'linear',
  'log_det',
  'log_softmax',
  'lstm_layer_steps',
  'lu_factor',
  'maskedCopy',
  'maskedSelect',
  'max_windows',
  'max_windows_input',
  'mean_windows',
  'mean_windows_input',
  'median_dim',
  'mm',
  'mode',
  'mse_loss',
  'mv',
  'nanmedian_dim',
  'nll_loss',
  'nonzero',
  'normalize',
  'orgqr',
  'ormqr',
  'pad',
  'pad_input',
  'pivot_matrix',
  'pseudoinverse',
  'pstrf',
  'put',
  'qr',
  'resample',
  'resample_input',
  'rnn_layer_steps',
  'rotary_embedding',
  'scaled_dot_product_attention',
  'scatter',
  'scatter_add',
  'scatter_fold',
  'sgd_step',
  'softmax',
  'solve_lu',
  'solve_triangle',
  'sort',
  'svd',
  'topk',
  'unique',
  'unique_consecutive',
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
