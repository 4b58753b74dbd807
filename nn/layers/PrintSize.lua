--- The input, unchanged; prints its size, and that of its gradient on the way back.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local on_backward = require 'nn.layers.on_backward'
local values = require 'nn.values'
require 'nn.Module'

local PrintSize = torch.class('nn.PrintSize', 'nn.Module')

--- prefix: printed in front, the class by default.
function PrintSize:__init(prefix)
  self.prefix = prefix or 'PrintSize'
end

function PrintSize:updateOutput(input)
  local prefix = self.prefix
  return values.map(function(tensor)
    print(('%s:input %s'):format(prefix, dims.text(tensor)))
    return on_backward(tensor, function(dy)
      print(('%s:gradOutput %s'):format(prefix, dims.text(dy)))
      return dy
    end)
  end, input)
end
