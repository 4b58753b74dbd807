--- The only element of a table: {x} -> x. node:split(1) is made of it.
local torch = require 'torch'
require 'nn.Module'

local JustElement = torch.class('nngraph.JustElement', 'nn.Module')

function JustElement:updateOutput(input)
  if type(input) ~= 'table' or #input ~= 1 then
    error(('a table of 1 element expected, got %s'):format(type(input) == 'table'
      and ('one of %d'):format(#input) or torch.type(input)), 0)
  end
  return input[1]
end
