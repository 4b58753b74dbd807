--- The product of a matrix and a vector, or of batches of them.
local torch = require 'torch'
local inputs = require 'nn.tables.inputs'
require 'nn.Module'

local MV = torch.class('nn.MV', 'nn.Module')

--- trans: true to transpose the matrix.
function MV:__init(trans)
  self.trans = trans or false
end

function MV:updateOutput(input)
  inputs.check_tensors(input, 2)
  local matrix, vector = input[1], input[2]
  local dims = matrix:dim()
  if dims ~= 2 and dims ~= 3 or vector:dim() ~= dims - 1 then
    error(('a matrix and a vector, or batches of them, expected, got sizes [%s] and [%s]'):format(
      inputs.sizes(matrix), inputs.sizes(vector)), 0)
  end
  if self.trans then matrix = torch.transpose(matrix, dims - 1, dims) end
  if dims == 2 then return torch.mv(matrix, vector) end
  return torch.squeeze(torch.bmm(matrix, torch.unsqueeze(vector, 3)), 3)
end
