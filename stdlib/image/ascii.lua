--- Small grey images as text, side by side: with Unicode half blocks, or with ASCII shades.
local core = require 'torch.core'

local ascii = {}

local GAP = 2
local SHADES = ' .:-=+*#%@'
-- Index: 1 + upper pixel + 2 * lower pixel.
local BLOCKS = {' ', '\226\150\128', '\226\150\132', '\226\150\136'}

--- Does the terminal read UTF-8?
function ascii.has_unicode()
  for _, name in ipairs {'LC_ALL', 'LC_CTYPE', 'LANG'} do
    local value = os and os.getenv(name)
    if value and value ~= '' then return value:upper():find('UTF%-?8') ~= nil end
  end
  return false
end

-- count x pixels or count x rows x columns -> one flat list of values per image, rows, columns.
local function unpack_images(images)
  local dims = images:dim()
  local rows, columns
  if dims == 3 then
    rows, columns = images:size(2), images:size(3)
  elseif dims == 2 then
    rows = math.floor(math.sqrt(images:size(2)) + 0.5)
    columns = rows
  end
  if not rows or (dims == 2 and rows * columns ~= images:size(2)) then
    error('ascii.draw: expected count x rows x columns, or count x pixels of square images', 3)
  end
  local values, list = core.totable_flat(images), {}
  local pixels = rows * columns
  for i = 1, images:size(1) do
    local image = {}
    for p = 1, pixels do
      local value = values[(i - 1) * pixels + p]
      image[p] = math.max(0, math.min(value, 1))
    end
    list[i] = image
  end
  return list, rows, columns
end

-- The part of the frame that some image has ink in, so that more images fit on a line.
local function ink_box(list, rows, columns)
  local box = {top = rows, bottom = 1, left = columns, right = 1}
  for _, image in ipairs(list) do
    for p, value in ipairs(image) do
      if value > 0.1 then
        local row, column = math.floor((p - 1) / columns) + 1, (p - 1) % columns + 1
        box.top, box.bottom = math.min(box.top, row), math.max(box.bottom, row)
        box.left, box.right = math.min(box.left, column), math.max(box.right, column)
      end
    end
  end
  if box.bottom < box.top then return {top = 1, bottom = rows, left = 1, right = columns} end
  return box
end

-- Two pixels, one above the other, as one character: a character is about twice as high as wide.
local function cell(upper, lower, unicode)
  if unicode then
    return BLOCKS[1 + (upper > 0.5 and 1 or 0) + (lower > 0.5 and 2 or 0)]
  end
  local shade = math.floor((upper + lower) / 2 * (#SHADES - 1) + 0.5)
  return SHADES:sub(shade + 1, shade + 1)
end

local function image_line(image, row, columns, box, unicode)
  local out = {}
  for column = box.left, box.right do
    local upper = image[(row - 1) * columns + column]
    local lower = row < box.bottom and image[row * columns + column] or 0
    out[#out + 1] = cell(upper, lower, unicode)
  end
  return table.concat(out)
end

local function caption_line(captions, first, last, width)
  local out = {}
  for i = first, last do
    local text = tostring(captions[i] or ''):sub(1, width)
    out[#out + 1] = text .. (' '):rep(width - #text)
  end
  return table.concat(out, (' '):rep(GAP))
end

local function trimmed(line)
  return (line:gsub('%s+$', ''))
end

--- ascii.draw(images, {captions = {...}, width = 80, unicode = true}) -> text
-- images: a tensor of values from 0 (blank) to 1 (ink), one image per first index. Captions
-- stand below the images; what does not fit on a line of `width` columns goes below.
function ascii.draw(images, options)
  options = options or {}
  local list, rows, columns = unpack_images(images)
  local box = ink_box(list, rows, columns)
  local unicode = options.unicode
  if unicode == nil then unicode = ascii.has_unicode() end
  local width = box.right - box.left + 1
  local limit = options.width or tonumber(os and os.getenv('COLUMNS')) or 80
  local per_line = math.max(1, math.floor((limit + GAP) / (width + GAP)))
  local out = {}
  for first = 1, #list, per_line do
    local last = math.min(first + per_line - 1, #list)
    for row = box.top, box.bottom, 2 do
      local parts = {}
      for i = first, last do
        parts[#parts + 1] = image_line(list[i], row, columns, box, unicode)
      end
      out[#out + 1] = trimmed(table.concat(parts, (' '):rep(GAP)))
    end
    if options.captions then
      out[#out + 1] = trimmed(caption_line(options.captions, first, last, width))
    end
    if last < #list then out[#out + 1] = '' end
  end
  return table.concat(out, '\n') .. '\n'
end

return ascii
