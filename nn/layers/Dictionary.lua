--- LookupTable under dpnn's name: for each word of a dictionary a row of learned numbers.
local torch = require 'torch'
require 'nn.layers.LookupTable'

local Dictionary, LookupTable = torch.class('nn.Dictionary', 'nn.LookupTable')

--- accUpdate: true for no gradWeight; accUpdateGradParameters changes the rows that are used.
function Dictionary:__init(dictSize, embeddingSize, accUpdate)
  LookupTable.__init(self, dictSize, embeddingSize)
  if accUpdate then self:accUpdateOnly() end
end
