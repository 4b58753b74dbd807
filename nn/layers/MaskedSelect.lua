--- Of {tensor, mask} the elements where the mask is not 0, in one dimension.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local MaskedSelect = torch.class('nn.MaskedSelect', 'nn.Module')

function MaskedSelect:updateOutput(input)
  dims.check_table(input, 2)
  local tensor, mask = input[1], input[2]
  if tensor:nElement() ~= mask:nElement() then
    error(('a tensor of size [%s] and a mask of size [%s] do not match'):format(dims.text(tensor),
      dims.text(mask)), 0)
  end
  return torch.maskedSelect(tensor, torch.ne(mask, 0):to('uint8'))
end
