--- The methods that every module gets when a recurrent one is loaded: they reach the recurrent
-- modules inside.
local torch = require 'torch'
require 'nn.Module'

local Module = torch.getmetatable('nn.Module')

--- Begins a new sequence.
function Module:forget()
  for _, child in ipairs(self:children()) do child:forget() end
  return self
end

--- When a sequence goes on where the last one ended: 'both', 'train' (in training), 'eval' (in use)
-- or 'neither'.
function Module:remember(when)
  for _, child in ipairs(self:children()) do child:remember(when) end
  return self
end

--- How many steps backward can go back, at most.
function Module:maxBPTTstep(rho)
  if rawget(self, 'rho') then self.rho = rho end
  for _, child in ipairs(self:children()) do child:maxBPTTstep(rho) end
  return self
end

--- A copy for another step of a sequence: with the same parameters. Recurrent modules, which tell
-- steps apart themselves, are their own.
function Module:stepClone(shareParams, shareGradParams)
  if torch.isTypeOf(self, 'nn.AbstractRecurrent') then return self end
  return self:sharedClone(shareParams, shareGradParams)
end
