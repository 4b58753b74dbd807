--- MSECriterion for images: a target that is larger is cut to its middle part.
local torch = require 'torch'
local losses = require 'nn.criterions.losses'
require 'nn.criterions.MSECriterion'

local SpatialAutoCropMSECriterion, MSECriterion = torch.class('nn.SpatialAutoCropMSECriterion',
  'nn.MSECriterion')

--- sizeAverage: false for the sum of the squares; or a table, {reduction = 'none'}.
function SpatialAutoCropMSECriterion:__init(sizeAverage)
  MSECriterion.__init(self, sizeAverage)
end

local function check_sizes(input, target)
  losses.check_tensor(input)
  losses.check_tensor(target, 'target')
  local n = input:dim()
  if n ~= 3 and n ~= 4 then
    error(('input: size (channel, height, width) or (batch, channel, height, width) expected, '
      .. 'got %s'):format(losses.size_text(input)), 0)
  end
  local fits = target:dim() == n
  for d = 1, fits and n or 0 do
    local room = target:size(d) - input:size(d)
    fits = fits and room >= 0 and (room == 0 or d > n - 2)
  end
  if not fits then
    error(('input has size %s, so a target of that size, or higher and wider, is expected; got %s')
      :format(losses.size_text(input), losses.size_text(target)), 0)
  end
end

--- input: ([batch,] channel, height, width).
function SpatialAutoCropMSECriterion:updateOutput(input, target)
  check_sizes(input, target)
  for d = input:dim() - 1, input:dim() do
    local room = target:size(d) - input:size(d)
    target = target:narrow(d, 1 + math.floor(room / 2), input:size(d))
  end
  return MSECriterion.updateOutput(self, input, target)
end
