--- What both halves of a DCGAN have in common.
local options = require 'nn.models.options'
local initial = require 'nn.models.initial'

local dcgan = {}

-- 8 -> 1, 16 -> 2, 32 -> 3 ...: layers between the images and 4 x 4.
local LEVELS = {}
for level = 1, 8 do LEVELS[2 ^ (level + 2)] = level end

--- The option for the images' size; read gives the number of levels.
function dcgan.size(default)
  return options.choice(default, LEVELS)
end

--- Channels of the levels, from the images' side: each half as large, and twice as many.
function dcgan.widths(o)
  local widths = {}
  for level = 1, o.size do widths[level] = o.width * 2 ^ (level - 1) end
  return widths
end

--- The paper's: normal, 0.02.
function dcgan.draw(model)
  initial.convolutions(model, 0.02)
  initial.norms(model, 0.02)
end

return dcgan
