--- A sequence from its end to its beginning.
local torch = require 'torch'
require 'nn.Module'

local SeqReverseSequence = torch.class('nn.SeqReverseSequence', 'nn.Module')

--- dim: the dimension of time, 1 by default.
function SeqReverseSequence:__init(dim)
  self.dim = dim or 1
end

function SeqReverseSequence:updateOutput(input)
  if input:dim() < self.dim then
    error(('an input of at least %d dimensions expected, got %d'):format(self.dim, input:dim()), 0)
  end
  return torch.flip(input, self.dim)
end

function SeqReverseSequence:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.dim)
end
