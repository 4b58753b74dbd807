-- Graphs of modules; more of them is in spec/nn/nngraph_spec.lua.
local torch, nn = require 'torch', require 'nn'
require 'nngraph'

local function net()
  local x = nn.Identity()()
  local h = nn.Tanh()(nn.Linear(3, 2)(x))
  return nn.gModule({x}, {nn.CAddTable()({nn.Linear(2, 2)(h), h})})
end

local function two_ways()
  local layer = nn.Linear(3, 3)
  local a, b = nn.Identity()(), nn.Identity()()
  local first, second = nn.ConcatTable():add(nn.Tanh()):add(layer)(a):split(2)
  return nn.gModule({a, b}, {nn.CMulTable()({first, layer(b)}), second})
end

return {
  ['gModule'] = {net, function() return torch.randn(2, 3) end, batched = true,
    single = function() return torch.randn(3) end},
  ['gModule, of tables, with a shared layer'] = {two_ways,
    function() return {torch.randn(2, 3), torch.randn(2, 3)} end, batched = true},
  ['Sequential, a graph in it'] = {function()
    return nn.Sequential(nn.Linear(2, 3), net(), nn.Tanh())
  end, function() return torch.randn(2, 2) end, batched = true},
}
