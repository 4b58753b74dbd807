--- x where positive, else a learned multiple of x. He et al. 2015.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
require 'nn.Module'

local PReLU = torch.class('nn.PReLU', 'nn.Module')

--- nOutputPlane: how many channels with a slope of their own; 0 for one slope. Input with channels:
-- (channel), (batch, channel), (channel, y, x) or (batch, channel, ...).
function PReLU:__init(nOutputPlane)
  self.nOutputPlane = nOutputPlane or 0
  if self.nOutputPlane ~= 0 then
    dims.check_whole('PReLU', 'nOutputPlane', self.nOutputPlane)
  end
  self:parameter('weight', math.max(self.nOutputPlane, 1))
  self:reset()
end

function PReLU:reset()
  self.weight:fill(0.25)
  return self
end

function PReLU:updateOutput(input)
  dims.check(input, 1, math.huge)
  if self.nOutputPlane == 0 then return torch.prelu(input, self.weight) end
  local channel = dims.channel(input)
  if input:size(channel) ~= self.nOutputPlane then
    error(('input of size [%s] has %d channels, expected %d'):format(dims.text(input),
      input:size(channel), self.nOutputPlane), 0)
  end
  if channel == 2 then return torch.prelu(input, self.weight) end
  return torch.squeeze(torch.prelu(torch.unsqueeze(input, 1), self.weight), 1)
end

function PReLU:__tostring__()
  return ('%s(%d)'):format(torch.type(self), self.nOutputPlane)
end
