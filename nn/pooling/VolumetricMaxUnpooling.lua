--- Puts each value where a VolumetricMaxPooling found it, and zeros elsewhere. The pooling must
-- have run before, and its output's size is what is expected.
local torch = require 'torch'
local unpool = require 'nn.pooling.unpool'
require 'nn.Module'

local VolumetricMaxUnpooling = torch.class('nn.VolumetricMaxUnpooling', 'nn.Module')

--- poolingModule: the nn.VolumetricMaxPooling.
function VolumetricMaxUnpooling:__init(poolingModule)
  self.pooling = unpool.check(poolingModule, 'nn.VolumetricMaxPooling')
end

--- None: the pooling has its place elsewhere.
function VolumetricMaxUnpooling:children()
  return {}
end

function VolumetricMaxUnpooling:updateOutput(input)
  local pooling = self.pooling
  return unpool.scatter(input, pooling.indices, 3, {pooling.itime, pooling.iheight, pooling.iwidth})
end

function VolumetricMaxUnpooling:__tostring__()
  return ('nn.VolumetricMaxUnpooling associated to %s'):format(tostring(self.pooling))
end
