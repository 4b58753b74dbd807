--- The outermost elements of volumes (batch, channel, time, height, width) repeated; negative
-- numbers cut off.
local torch = require 'torch'
local space = require 'nn.convolutions.space'
local border = require 'nn.pooling.border'
require 'nn.Module'

local VolumetricReplicationPadding = torch.class('nn.VolumetricReplicationPadding', 'nn.Module')

local NAMES = {'pleft', 'pright', 'ptop', 'pbottom', 'pfront', 'pback'}

--- At the left and the right, the top and the bottom, before the first and behind the last image;
-- by default as much as at the left.
function VolumetricReplicationPadding:__init(pleft, pright, ptop, pbottom, pfront, pback)
  border.read(self, NAMES, pleft, pright, ptop, pbottom, pfront, pback)
end

function VolumetricReplicationPadding:updateOutput(input)
  space.check(input, 3)
  local widths = {}
  for i, name in ipairs(NAMES) do widths[i] = self[name] end
  return border.pad(input, widths, 'replicate')
end

function VolumetricReplicationPadding:__tostring__()
  return ('%s(left=%d, right=%d, top=%d, bottom=%d, front=%d, back=%d)'):format(torch.type(self),
    self.pleft, self.pright, self.ptop, self.pbottom, self.pfront, self.pback)
end
