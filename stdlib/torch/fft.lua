--- torch.fft: discrete Fourier transforms of any number of dimensions.
--
-- Complex numbers are pairs in a last dimension of size 2, which is not counted among the others. A
-- tensor whose last dimension has another size, or that has no other, is taken as real where
-- complex numbers are expected; torch.complex(x) makes it complex beyond doubt.
--
-- All take (x [, n] [, dim] [, norm]) or, for several dimensions, (x [, {sizes}] [, {dims}] [,
-- norm]), or these by name in a table. norm: 'backward' divides by n on the way back, 'forward' on
-- the way there, 'ortho' by the root of n on both.
local torch = require 'torch'

local fft = {}

local function is_complex(x)
  return x:dim() >= 2 and x:size(x:dim()) == 2
end

--- torch.fft.complex(x): x as pairs, with imaginary parts of 0 where it is real.
function fft.complex(x)
  if is_complex(x) then return x end
  if not x.dtype:find('float') then x = x:type(torch.getdefaulttensortype()) end
  return torch.cat({x:unsqueeze(-1), torch.zeros_like(x):unsqueeze(-1)}, x:dim() + 1)
end

local function as_complex(name, x)
  if not torch.isTensor(x) then
    error(('fft.%s: a tensor expected, got %s'):format(name, torch.type(x)), 3)
  end
  return fft.complex(x)
end

local function as_real(name, x)
  if not torch.isTensor(x) then
    error(('fft.%s: a tensor expected, got %s'):format(name, torch.type(x)), 3)
  end
  if not x.dtype:find('float') then return x:type(torch.getdefaulttensortype()) end
  return x
end

-- Arguments by position or by name.
local function options(name, first, dim, norm)
  if type(first) == 'table' and (first.n or first.s or first.dim or first.norm) then
    for key in pairs(first) do
      if key ~= 'n' and key ~= 's' and key ~= 'dim' and key ~= 'norm' then
        error(('fft.%s: no parameter is named %s'):format(name, tostring(key)), 3)
      end
    end
    return first.n or first.s, first.dim, first.norm
  end
  return first, dim, norm
end

local function check_whole(name, what, value, least)
  if type(value) ~= 'number' or value ~= math.floor(value) or value < least or value > 2 ^ 40 then
    error(('fft.%s: %s must be a whole number of at least %d, got %s'):format(name, what, least,
      tostring(value)), 4)
  end
  return value
end

-- Which of `count` dimensions, from 1.
local function dimension(name, dim, count)
  if type(dim) ~= 'number' or dim ~= math.floor(dim) then
    error(('fft.%s: a dimension expected, got %s'):format(name, tostring(dim)), 4)
  end
  local at = dim < 0 and dim + count + 1 or dim
  if at < 1 or at > count then
    error(('fft.%s: dimension %d is out of range for %d dimensions'):format(name, dim, count), 4)
  end
  return at
end

-- The factor of a transform of n values.
local function factor(name, norm, n, inverse)
  norm = norm or 'backward'
  if norm == 'ortho' then return 1 / math.sqrt(n) end
  if norm ~= 'backward' and norm ~= 'forward' then
    error(("fft.%s: norm is 'backward', 'ortho' or 'forward', got %s"):format(name,
      tostring(norm)), 4)
  end
  return (norm == 'backward') == inverse and 1 / n or 1
end

-- x with `n` elements along a dimension: cut off, or with zeros behind.
local function sized(x, dim, n)
  local have = x:size(dim)
  if n < have then return x:narrow(dim, 1, n) end
  if n == have then return x end
  local sizes = x:size():totable()
  sizes[dim] = n - have
  return torch.cat({x, torch.zeros(torch.LongStorage(sizes)):typeAs(x)}, dim)
end

local function along(name, x, n, dim, norm, inverse)
  dim = dimension(name, dim or -1, x:dim() - 1)
  n = check_whole(name, 'n', n or x:size(dim), 1)
  return torch.fft_c2c(sized(x, dim, n), dim, inverse, factor(name, norm, n, inverse))
end

local function real_along(name, x, n, dim, norm, inverse)
  dim = dimension(name, dim or -1, x:dim())
  n = check_whole(name, 'n', n or x:size(dim), 1)
  return torch.fft_r2c(sized(x, dim, n), dim, factor(name, norm, n, inverse))
end

local function to_real_along(name, x, n, dim, norm, inverse)
  dim = dimension(name, dim or -1, x:dim() - 1)
  n = check_whole(name, 'n', n or 2 * (x:size(dim) - 1), 1)
  return torch.fft_c2r(sized(x, dim, math.floor(n / 2) + 1), n, dim, factor(name, norm, n, inverse))
end

local function conjugate(x)
  local sign = torch.ones(2):typeAs(x)
  sign[2] = -1
  return torch.cmul(x, sign)
end

--- torch.fft.fft(x [, n] [, dim=-1] [, norm]): the transform of complex numbers.
function fft.fft(x, ...)
  local n, dim, norm = options('fft', ...)
  return along('fft', as_complex('fft', x), n, dim, norm, false)
end

--- torch.fft.ifft(x [, n] [, dim=-1] [, norm]): what has this transform.
function fft.ifft(x, ...)
  local n, dim, norm = options('ifft', ...)
  return along('ifft', as_complex('ifft', x), n, dim, norm, true)
end

--- torch.fft.rfft(x [, n] [, dim=-1] [, norm]): the first half, n / 2 + 1 values, of the transform
-- of real numbers; the other half mirrors it.
function fft.rfft(x, ...)
  local n, dim, norm = options('rfft', ...)
  return real_along('rfft', as_real('rfft', x), n, dim, norm, false)
end

--- torch.fft.irfft(x [, n] [, dim=-1] [, norm]): the n real numbers whose transform begins with x;
-- n is even unless it is given.
function fft.irfft(x, ...)
  local n, dim, norm = options('irfft', ...)
  return to_real_along('irfft', as_complex('irfft', x), n, dim, norm, true)
end

--- torch.fft.hfft(x [, n] [, dim=-1] [, norm]): the real transform of a signal of which x is the
-- first half, the other half mirroring it.
function fft.hfft(x, ...)
  local n, dim, norm = options('hfft', ...)
  return to_real_along('hfft', conjugate(as_complex('hfft', x)), n, dim, norm, false)
end

--- torch.fft.ihfft(x [, n] [, dim=-1] [, norm]): the first half of the signal whose transform is
-- the real x.
function fft.ihfft(x, ...)
  local n, dim, norm = options('ihfft', ...)
  return conjugate(real_along('ihfft', as_real('ihfft', x), n, dim, norm, true))
end

-- ---------------------------------------------------------------------------------------------
-- Several dimensions: one after the other.

-- Dimensions from 1 and their sizes (false: as they are), of `count` dimensions.
local function dimensions(name, sizes, dims, count)
  if type(sizes) == 'number' then sizes = {sizes} end
  if type(dims) == 'number' then dims = {dims} end
  local list, wanted, seen = {}, {}, {}
  local many = dims and #dims or sizes and #sizes or count
  if sizes and #sizes ~= many then
    error(('fft.%s: %d sizes for %d dimensions'):format(name, #sizes, many), 4)
  end
  for k = 1, many do
    local dim = dimension(name, dims and dims[k] or k - 1 - many, count)
    if seen[dim] then error(('fft.%s: dimension %d is named twice'):format(name, dim), 4) end
    seen[dim] = true
    list[k], wanted[k] = dim, sizes and sizes[k] ~= -1 and sizes[k] or nil
  end
  if many == 0 then error(('fft.%s: no dimension to transform'):format(name), 4) end
  return list, wanted, many
end

local function complex_many(name, inverse, default)
  return function(x, ...)
    local sizes, dims, norm = options(name, ...)
    x = as_complex(name, x)
    local list, wanted, many = dimensions(name, sizes, dims or default, x:dim() - 1)
    for k = many, 1, -1 do x = along(name, x, wanted[k], list[k], norm, inverse) end
    return x
  end
end

local function real_many(name, default)
  return function(x, ...)
    local sizes, dims, norm = options(name, ...)
    x = as_real(name, x)
    local list, wanted, many = dimensions(name, sizes, dims or default, x:dim())
    x = real_along(name, x, wanted[many], list[many], norm, false)
    for k = many - 1, 1, -1 do x = along(name, x, wanted[k], list[k], norm, false) end
    return x
  end
end

local function to_real_many(name, default)
  return function(x, ...)
    local sizes, dims, norm = options(name, ...)
    x = as_complex(name, x)
    local list, wanted, many = dimensions(name, sizes, dims or default, x:dim() - 1)
    for k = 1, many - 1 do x = along(name, x, wanted[k], list[k], norm, true) end
    return to_real_along(name, x, wanted[many], list[many], norm, true)
  end
end

local last_two = {-2, -1}
fft.fftn, fft.ifftn = complex_many('fftn', false), complex_many('ifftn', true)
fft.fft2, fft.ifft2 = complex_many('fft2', false, last_two), complex_many('ifft2', true, last_two)
fft.rfftn, fft.rfft2 = real_many('rfftn'), real_many('rfft2', last_two)
fft.irfftn, fft.irfft2 = to_real_many('irfftn'), to_real_many('irfft2', last_two)

-- ---------------------------------------------------------------------------------------------
-- Frequencies, and their order.

local function spacing(name, n, d)
  check_whole(name, 'n', n, 1)
  if d ~= nil and type(d) ~= 'number' then
    error(('fft.%s: the distance of samples must be a number, got %s'):format(name, type(d)), 3)
  end
  return 1 / (n * (d or 1))
end

--- torch.fft.fftfreq(n [, d=1]): the frequencies of fft's n values, for samples d apart.
function fft.fftfreq(n, d)
  local unit, positive = spacing('fftfreq', n, d), math.floor((n - 1) / 2)
  local k = torch.range(0, n - 1)
  if positive < n - 1 then k:narrow(1, positive + 2, n - 1 - positive):add(-n) end
  return k:mul(unit)
end

--- torch.fft.rfftfreq(n [, d=1]): the frequencies of rfft's n / 2 + 1 values.
function fft.rfftfreq(n, d)
  return torch.range(0, math.floor(n / 2)):mul(spacing('rfftfreq', n, d))
end

local function shifted(name, back)
  return function(x, dims)
    if not torch.isTensor(x) then
      error(('fft.%s: a tensor expected, got %s'):format(name, torch.type(x)), 2)
    end
    local count = is_complex(x) and x:dim() - 1 or x:dim()
    for _, dim in ipairs((dimensions(name, nil, dims, count))) do
      local n = x:size(dim)
      local first = back and math.floor(n / 2) or math.floor((n + 1) / 2)
      if n > 1 then
        x = torch.cat({x:narrow(dim, first + 1, n - first), x:narrow(dim, 1, first)}, dim)
      end
    end
    return x
  end
end

fft.fftshift, fft.ifftshift = shifted('fftshift', false), shifted('ifftshift', true)

return fft
