--- Each element limited to [min_value, max_value].
local torch = require 'torch'

local Clamp, HardTanh = torch.class('nn.Clamp', 'nn.HardTanh')

function Clamp:__init(min_value, max_value)
  HardTanh.__init(self, min_value, max_value)
end
