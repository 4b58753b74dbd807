--- What goes through a whole tree of modules.
local torch = require 'torch'
local Module = torch.getmetatable('nn.Module')

--- Hands rewards (batch) to the modules inside that learn from them, nn.Reinforce and its kin.
function Module:reinforce(reward)
  for _, child in ipairs(self:children()) do child:reinforce(reward) end
end

--- Calls visitor:visit(module) for this module and all inside of it.
function Module:accept(visitor)
  self:apply(function(module) visitor:visit(module) end)
end

--- The module in an nn.Profile, which prints how long it takes.
function Module:profile(interval, name)
  return require('nn').Profile(self, interval, name)
end
