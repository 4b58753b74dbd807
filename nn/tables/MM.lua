--- The product of two matrices, or of two batches of them.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local MM = torch.class('nn.MM', 'nn.Module')

--- transA, transB: true to transpose the first, the second.
function MM:__init(transA, transB)
  self.transA = transA or false
  self.transB = transB or false
end

function MM:updateOutput(input)
  inputs.check_tensors(input, 2)
  local a, b = input[1], input[2]
  local dims = a:dim()
  if dims ~= b:dim() or dims ~= 2 and dims ~= 3 then
    error(('two matrices, or two batches of them, expected, got sizes [%s] and [%s]'):format(
      inputs.sizes(a), inputs.sizes(b)), 0)
  end
  if self.transA then a = torch.transpose(a, dims - 1, dims) end
  if self.transB then b = torch.transpose(b, dims - 1, dims) end
  return dims == 2 and torch.mm(a, b) or torch.bmm(a, b)
end
