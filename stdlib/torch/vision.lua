--- Images sampled at given places, and numbers rounded as if they were small integers.
local torch = require 'torch'

local vision = {}

local function check(name, condition, message, ...)
  if not condition then error(name .. ': ' .. message:format(...), 3) end
end

--- The places that a matrix of an affine map shows, for grid_sample.
function vision.affine_grid(theta, size, align_corners)
  check('affine_grid', torch.isTensor(theta) and theta:dim() == 3 and theta:size(2) == 2
    and theta:size(3) == 3, 'matrices (batch, 2, 3) expected')
  size = torch.isStorage(size) and size:totable() or size
  check('affine_grid', type(size) == 'table' and #size == 4 and size[1] == theta:size(1),
    'sizes {batch, channels, height, width} expected')
  local function line(n) -- from -1 to 1, at corners or at the middle of pixels
    check('affine_grid', type(n) == 'number' and n >= 1 and n == math.floor(n),
      'sizes of at least 1 expected')
    if n == 1 then return torch.zeros(1):typeAs(theta) end
    local at = torch.linspace(-1, 1, n):typeAs(theta)
    return align_corners and at or at * ((n - 1) / n)
  end
  local height, width = size[3], size[4]
  local x = line(width):view(1, width):expand(height, width)
  local y = line(height):view(height, 1):expand(height, width)
  local base = torch.cat({x:unsqueeze(-1), y:unsqueeze(-1),
    torch.ones(height, width, 1):typeAs(theta)}, 3):view(1, height * width, 3)
  local batch = theta:size(1)
  return torch.bmm(base:expand(batch, height * width, 3), theta:transpose(2, 3))
    :view(batch, height, width, 2)
end

-- From -1 ... 1 to positions, from 0, among n.
local function to_position(at, n, align)
  if align then return (at + 1) * ((n - 1) / 2) end
  return ((at + 1) * n - 1) / 2
end

-- Mirrored into low ... high.
local function reflected(at, low, high)
  local span = high - low
  if span <= 0 then return at * 0 end
  local off = torch.abs(at - low)
  local turns = torch.floor(off / span):detach()
  local rest = off - turns * span
  local odd = torch.ne(torch.remainder(turns, 2), 0)
  return torch.where(odd, high - rest, rest + low)
end

local function place(at, n, padding, align)
  at = to_position(at, n, align)
  if padding == 'reflection' then
    at = align and reflected(at, 0, n - 1) or reflected(at, -0.5, n - 0.5)
  end
  if padding ~= 'zeros' then at = torch.clamp(at, 0, n - 1) end
  return at
end

-- The values of x (batch, channels, h w) at whole positions (batch, places), 0 outside of it.
local function fetch(x, height, width, row, column)
  local inside = torch.ge(row, 0) * 1
  inside = torch.cmul(inside, torch.le(row, height - 1))
  inside = torch.cmul(inside, torch.ge(column, 0))
  inside = torch.cmul(inside, torch.le(column, width - 1))
  -- what is no number lies outside, too
  local index = torch.where(inside, row * width + column + 1, torch.ones_like(row)):to('int64')
  local batch, channels, places = x:size(1), x:size(2), row:size(2)
  index = index:view(batch, 1, places):expand(batch, channels, places)
  return torch.cmul(x:gather(3, index), inside:typeAs(x):view(batch, 1, places))
end

local modes = {bilinear = true, nearest = true}
local paddings = {zeros = true, border = true, reflection = true}

--- The values of images at places that a grid names, from -1 to 1 across the image.
function vision.grid_sample(x, grid, mode, padding_mode, align_corners)
  if type(mode) == 'table' then
    mode, padding_mode, align_corners = mode.mode, mode.padding_mode, mode.align_corners
  end
  local name = 'grid_sample'
  mode, padding_mode = mode or 'bilinear', padding_mode or 'zeros'
  check(name, torch.isTensor(x) and x:dim() == 4 and x:size(3) > 0 and x:size(4) > 0,
    'images (batch, channels, height, width) expected')
  check(name, torch.isTensor(grid) and grid:dim() == 4 and grid:size(4) == 2
    and grid:size(1) == x:size(1), 'a grid (batch, height, width, 2) expected')
  check(name, modes[mode], "mode is 'bilinear' or 'nearest', got %s", tostring(mode))
  check(name, paddings[padding_mode], "padding_mode is 'zeros', 'border' or 'reflection', got %s",
    tostring(padding_mode))
  local batch, channels, height, width = x:size(1), x:size(2), x:size(3), x:size(4)
  local rows, columns = grid:size(2), grid:size(3)
  local flat = x:reshape(batch, channels, height * width)
  local places = grid:reshape(batch, rows * columns, 2)
  local across = place(places:select(3, 1), width, padding_mode, align_corners)
  local down = place(places:select(3, 2), height, padding_mode, align_corners)
  local result
  if mode == 'nearest' then
    result = fetch(flat, height, width, torch.round(down):detach(), torch.round(across):detach())
  else
    local left, top = torch.floor(across):detach(), torch.floor(down):detach()
    local right, below = across - left, down - top
    for dy = 0, 1 do
      for dx = 0, 1 do
        local wx = dx == 1 and right or 1 - right
        local wy = dy == 1 and below or 1 - below
        local part = torch.cmul(fetch(flat, height, width, top + dy, left + dx),
          torch.cmul(wx, wy):view(batch, 1, rows * columns))
        result = result and result + part or part
      end
    end
  end
  return result:view(batch, channels, rows, columns)
end

-- Gradients pass where nothing was cut off.
local function straight_through(x, rounded, low, high, scaled)
  local inside = torch.cmul(torch.ge(scaled, low), torch.le(scaled, high)):typeAs(x)
  torch.record(function(gradient) return torch.cmul(gradient, inside) end, {x}, {rounded})
  return rounded
end

local function fake(name, x, scale, zero_point, low, high)
  check(name, torch.isTensor(x) and x.dtype:find('float'), 'a floating-point tensor expected')
  check(name, type(low) == 'number' and type(high) == 'number' and low <= high,
    'the least and the greatest integer expected')
  local rounded, scaled
  torch.no_grad(function()
    scaled = torch.round(x / scale) + zero_point
    rounded = torch.cmul(torch.clamp(scaled, low, high) - zero_point,
      torch.isTensor(scale) and scale or torch.ones_like(x) * scale)
  end)
  return straight_through(x, rounded, low, high, scaled)
end

--- x rounded as quantization and back would; gradients pass as if it were not.
function vision.fake_quantize(x, scale, zero_point, low, high)
  check('fake_quantize', type(scale) == 'number' and scale > 0 and scale < math.huge,
    'a positive scale expected')
  check('fake_quantize', type(zero_point) == 'number', 'a zero point expected')
  return fake('fake_quantize', x, scale, zero_point, low or -128, high or 127)
end

--- The same with a scale and a zero point for each position of a dimension.
function vision.fake_quantize_per_channel(x, scales, zero_points, dim, low, high)
  local name = 'fake_quantize_per_channel'
  check(name, torch.isTensor(x), 'a tensor expected')
  dim = dim or 1
  check(name, type(dim) == 'number' and dim == math.floor(dim) and dim ~= 0
    and math.abs(dim) <= x:dim(), 'a dimension expected, got %s', tostring(dim))
  local sizes = {}
  for d = 1, x:dim() do sizes[d] = 1 end
  local at = dim < 0 and dim + x:dim() + 1 or dim
  sizes[at] = x:size(at)
  for _, values in ipairs {scales, zero_points} do
    check(name, torch.isTensor(values) and values:dim() == 1 and values:size(1) == sizes[at],
      '%d scales and zero points expected', sizes[at])
  end
  local shape = torch.LongStorage(sizes)
  return fake(name, x, scales:typeAs(x):view(shape), zero_points:typeAs(x):view(shape), low or -128,
    high or 127)
end

return vision
