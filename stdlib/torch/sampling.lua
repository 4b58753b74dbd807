--- Draws from tables of aliases, in Torch7's form: a draw takes the same time for any length.
local class = require 'torch.class'
local torch = require 'torch'

local module = {}

--- torch.multinomialAliasSetup(p [, state]): tables {aliases, thresholds} for multinomialAlias. p
-- need not add up to 1. A state of an earlier call is written into and returned.
function module.multinomialAliasSetup(p, state)
  if state == nil then return {torch.multinomial_alias_setup(p)} end
  if type(state) ~= 'table' or not torch.isTensor(state[1]) or not torch.isTensor(state[2]) then
    error('multinomialAliasSetup: what it returned before expected as argument 2, got '
      .. class.type(state), 2)
  end
  torch.multinomial_alias_setup(state[1], state[2], p)
  return state
end

--- torch.multinomialAlias([gen,] x, state): fills x with indices drawn from the tables.
function module.multinomialAlias(gen, x, state)
  if class.typename(gen) ~= 'torch.Generator' then gen, x, state = nil, gen, x end
  if type(state) ~= 'table' or not torch.isTensor(x) then
    error(('multinomialAlias: a tensor and what multinomialAliasSetup gave expected, got %s, %s')
      :format(class.type(x), class.type(state)), 2)
  end
  if gen then return torch.multinomial_alias_draw(x, gen, state[1], state[2]) end
  return torch.multinomial_alias_draw(x, state[1], state[2])
end

return module
