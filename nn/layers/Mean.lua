--- The means along a dimension, which disappears.
local torch = require 'torch'

local Mean, Sum = torch.class('nn.Mean', 'nn.Sum')

--- dimension: the first by default; counts from the end if negative. nInputDims: how many
-- dimensions an example has; an input with one more is a batch.
function Mean:__init(dimension, nInputDims)
  Sum.__init(self, dimension, nInputDims, true)
end
