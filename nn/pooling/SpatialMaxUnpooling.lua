--- Puts each value where a SpatialMaxPooling found it, and zeros elsewhere. The pooling must have
-- run before, and its output's size is what is expected.
local torch = require 'torch'
local unpool = require 'nn.pooling.unpool'
require 'nn.Module'

local SpatialMaxUnpooling = torch.class('nn.SpatialMaxUnpooling', 'nn.Module')

--- poolingModule: the nn.SpatialMaxPooling.
function SpatialMaxUnpooling:__init(poolingModule)
  self.pooling = unpool.check(poolingModule, 'nn.SpatialMaxPooling')
end

--- None: the pooling has its place elsewhere.
function SpatialMaxUnpooling:children()
  return {}
end

function SpatialMaxUnpooling:updateOutput(input)
  local pooling = self.pooling
  return unpool.scatter(input, pooling.indices, 2, {pooling.iheight, pooling.iwidth})
end

function SpatialMaxUnpooling:__tostring__()
  return ('nn.SpatialMaxUnpooling associated to %s'):format(tostring(self.pooling))
end
