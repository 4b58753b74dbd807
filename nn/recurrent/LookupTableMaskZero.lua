--- LookupTable in which index 0, padding, stands for zeros.
local torch = require 'torch'
require 'nn.layers.LookupTable'

local LookupTableMaskZero, LookupTable = torch.class('nn.LookupTableMaskZero', 'nn.LookupTable')

--- nIndex: how many words there are; 0 is one more.
function LookupTableMaskZero:__init(nIndex, nOutput)
  LookupTable.__init(self, nIndex + 1, nOutput)
end

function LookupTableMaskZero:updateOutput(input)
  local output = LookupTable.updateOutput(self, input + 1)
  local sizes = input:size():totable()
  sizes[#sizes + 1] = 1
  local keep = input:ne(0):view(torch.LongStorage(sizes))
  return torch.where(keep, output, torch.zeros_like(output:detach()))
end
