--- The methods that Torch7's dpnn gives to each module: they are there when it is required. Its
-- classes belong to nn and load by themselves.
local dpnn = {}

require 'nn'
require 'dpnn.gradients'
require 'dpnn.files'
require 'dpnn.batches'
require 'dpnn.trees'

return dpnn
