--- Random distortion of small grey images, so that a few of them teach as much as many: turned,
-- shifted, bent. A new image takes each pixel from a place nearby in the old one, between four
-- pixels; all images of a call are distorted alike.
local torch = require 'torch'

-- Rows and columns of all pixels, from the middle of the image; by side.
local grids = {}

local function grid(side)
  if not grids[side] then
    local steps = torch.range(0, side - 1):float() - (side - 1) / 2
    grids[side] = {
      rows = steps:view(side, 1):expand(side, side):reshape(side * side),
      columns = steps:view(1, side):expand(side, side):reshape(side * side),
    }
  end
  return grids[side]
end

-- A wave over the image, up to one pixel high and at least 21 long.
local function wave(places, amount)
  local along, across, phase = torch.uniform(-0.3, 0.3), torch.uniform(-0.3, 0.3),
    torch.uniform(-math.pi, math.pi)
  return (places.rows * along + places.columns * across + phase):sin()
    :mul(torch.uniform(-amount, amount))
end

-- One coordinate of the places: a multiple of both, a shift of up to 1.5 pixels, and two waves.
local function coordinate(places, side, by_row, by_column, amount)
  local shift = torch.uniform(-1.5, 1.5) * amount + (side - 1) / 2
  return (places.rows * by_row + places.columns * by_column + shift):add(wave(places, amount))
    :add(wave(places, amount))
end

--- distort(images, amount): images (count, side * side), floats; amount: 0 for none, 1 for up to 10
-- degrees, 10 % larger or smaller, and sheared by 0.15.
return function(images, amount)
  if amount == 0 then return images end
  local side = math.floor(math.sqrt(images:size(2)) + 0.5)
  if images:dim() ~= 2 or side * side ~= images:size(2) then
    error('distort: square images as rows of a matrix expected', 2)
  end
  local places = grid(side)
  local angle = math.rad(torch.uniform(-10, 10) * amount)
  local scale = 1 + torch.uniform(-0.1, 0.1) * amount
  local cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
  local y = coordinate(places, side, cosine, -sine, amount)
  local x = coordinate(places, side, sine + torch.uniform(-0.15, 0.15) * amount, cosine, amount)
  local top, left = torch.floor(y), torch.floor(x)
  local below, right = y - top, x - left
  local pixels = images:t():contiguous() -- rows are faster to pick than columns
  local out
  for corner = 0, 3 do
    local down, over = corner % 2, math.floor(corner / 2)
    local row, column = top + down, left + over
    local share = torch.cmul(down == 1 and below or 1 - below, over == 1 and right or 1 - right)
    -- What lies outside is paper.
    local inside = torch.cmul(row:ge(0), row:lt(side)):cmul(column:ge(0)):cmul(column:lt(side))
    row:clamp(0, side - 1)
    column:clamp(0, side - 1)
    local part = pixels:index(1, (row * side + column + 1):long())
    part:cmul(share:cmul(inside:float()):view(side * side, 1))
    out = out and out:add(part) or part
  end
  return out:t():contiguous()
end
