--- Draws numbers of the gamma distribution whose shapes the input gives. In use: the means.
local torch = require 'torch'
require 'nn.layers.Reinforce'

local ReinforceGamma, Reinforce = torch.class('nn.ReinforceGamma', 'nn.Reinforce')

--- scale: a number, or nil if the input is a table {shapes, scales}. stochastic: true to draw in
-- use, too.
function ReinforceGamma:__init(scale, stochastic)
  Reinforce.__init(self, stochastic)
  self.scale = scale
end

local function parts(self, input)
  if type(input) == 'table' then return input[1], input[2], true end
  if type(self.scale) ~= 'number' then
    error('a table {shapes, scales} expected, as no scale was given', 0)
  end
  return input, input.new(input:size()):fill(self.scale), false
end

function ReinforceGamma:draw(input)
  local shape, scale, learned = parts(self, input)
  local x = torch.cmul(torch.standard_gamma(shape), scale)
  return x, function()
    -- log p(x) = (k - 1) log x - x / s - k log s - log gamma(k)
    local slope = torch.log(x + 1e-20) - torch.log(scale) - torch.digamma(shape)
    if not learned then return slope end
    return slope, torch.cdiv(x, torch.cmul(scale, scale)) - torch.cdiv(shape, scale)
  end
end

function ReinforceGamma:expected(input)
  if type(input) == 'table' then return torch.cmul(input[1], input[2]) end
  return input * self.scale
end
