--- Complex numbers as pairs in a last dimension of two, windows, and transforms of short pieces.
local torch = require 'torch'

local spectral = {}

local function check_tensor(name, x)
  if not torch.isTensor(x) then
    error(('%s: a tensor expected, got %s'):format(name, torch.type(x)), 3)
  end
  return x
end

local function check_pairs(name, x)
  check_tensor(name, x)
  if x:dim() < 1 or x:size(x:dim()) ~= 2 then
    error(('%s: complex numbers, a last dimension of size 2, expected'):format(name), 3)
  end
  return x
end

local function check_whole(name, what, value, least, most)
  if type(value) ~= 'number' or value ~= math.floor(value) or value < least
      or value > (most or 2 ^ 31) then
    error(('%s: %s must be a whole number of at least %d, got %s'):format(name, what, least,
      tostring(value)), 3)
  end
  return value
end

-- ---------------------------------------------------------------------------------------------
-- Complex numbers.

local function pair(re, im)
  return torch.cat({re:unsqueeze(-1), im:unsqueeze(-1)}, re:dim() + 1)
end

local function parts(x)
  local last = x:dim()
  return x:select(last, 1), x:select(last, 2)
end

function spectral.complex(re, im)
  check_tensor('complex', re)
  if im == nil then im = torch.zeros_like(re) end
  if not check_tensor('complex', im):isSameSizeAs(re) then
    error('complex: real and imaginary parts of the same sizes expected', 2)
  end
  return pair(re, im)
end

function spectral.real(x)
  return (parts(check_pairs('real', x)))
end

function spectral.imag(x)
  return select(2, parts(check_pairs('imag', x)))
end

function spectral.conj(x)
  local re, im = parts(check_pairs('conj', x))
  return pair(re, torch.neg(im))
end

function spectral.complex_mul(x, y)
  local a, b = parts(check_pairs('complex_mul', x))
  local c, d = parts(check_pairs('complex_mul', y))
  return pair(torch.cmul(a, c) - torch.cmul(b, d), torch.cmul(a, d) + torch.cmul(b, c))
end

function spectral.complex_div(x, y)
  local a, b = parts(check_pairs('complex_div', x))
  local c, d = parts(check_pairs('complex_div', y))
  local size = torch.cmul(c, c) + torch.cmul(d, d)
  return pair(torch.cdiv(torch.cmul(a, c) + torch.cmul(b, d), size),
    torch.cdiv(torch.cmul(b, c) - torch.cmul(a, d), size))
end

-- Scaled by the greater part, so that squares neither overflow nor vanish.
function spectral.complex_abs(x)
  local re, im = parts(check_pairs('complex_abs', x))
  local a, b = torch.abs(re), torch.abs(im)
  local scale = torch.cmax(a, b):detach()
  scale = torch.where(torch.gt(scale, 0), scale, torch.ones_like(scale))
  scale = torch.where(torch.isinf(scale), torch.ones_like(scale), scale)
  a, b = torch.cdiv(re, scale), torch.cdiv(im, scale)
  return torch.cmul(torch.norm(pair(a, b), 2, -1, false), scale)
end

function spectral.complex_angle(x)
  local re, im = parts(check_pairs('complex_angle', x))
  return torch.atan2(im, re)
end

function spectral.polar(abs, angle)
  check_tensor('polar', abs)
  check_tensor('polar', angle)
  return pair(torch.cmul(abs, torch.cos(angle)), torch.cmul(abs, torch.sin(angle)))
end

-- ---------------------------------------------------------------------------------------------
-- Windows. A periodic one is the first n values of the symmetric one of n + 1.

-- f gives the value at a place from 0 to 1.
local function window(name, n, periodic, options, f)
  if type(periodic) == 'table' then options, periodic = periodic, nil end
  check_whole(name, 'the length', n, 0)
  local last = periodic == false and n - 1 or n
  local values = torch.zeros(n, {dtype = 'float64'})
  if n == 1 then values:fill(1) end
  if n > 1 then
    values = f(torch.range(0, n - 1):to('float64'):div(last))
  end
  return values:to(options and options.dtype or torch.zeros(1).dtype)
end

local function cosine(x, k)
  return torch.cos(x * (2 * math.pi * k))
end

function spectral.hann_window(n, periodic, options)
  return window('hann_window', n, periodic, options, function(x)
    return 0.5 - 0.5 * cosine(x, 1)
  end)
end

function spectral.hamming_window(n, periodic, alpha, beta, options)
  if type(alpha) == 'table' then options, alpha = alpha, nil end
  alpha, beta = alpha or 0.54, beta or 0.46
  return window('hamming_window', n, periodic, options, function(x)
    return alpha - beta * cosine(x, 1)
  end)
end

function spectral.blackman_window(n, periodic, options)
  return window('blackman_window', n, periodic, options, function(x)
    return 0.42 - 0.5 * cosine(x, 1) + 0.08 * cosine(x, 2)
  end)
end

function spectral.bartlett_window(n, periodic, options)
  return window('bartlett_window', n, periodic, options, function(x)
    return 1 - torch.abs(2 * x - 1)
  end)
end

-- The modified Bessel function of the first kind and order 0, by its series.
local function bessel0(x)
  local sum, term, k = 1, 1, 0
  local quarter = x * x / 4
  repeat
    k = k + 1
    term = term * quarter / (k * k)
    sum = sum + term
  until term <= sum * 1e-17 or k > 2000
  return sum
end

function spectral.kaiser_window(n, periodic, beta, options)
  if type(beta) == 'table' then options, beta = beta, nil end
  beta = beta or 12
  if type(beta) ~= 'number' or beta ~= beta or math.abs(beta) > 700 then
    error(('kaiser_window: beta must be a number from -700 to 700, got %s'):format(tostring(beta)),
      2)
  end
  return window('kaiser_window', n, periodic, options, function(x)
    local whole = bessel0(beta)
    return x:apply(function(at)
      local off = 2 * at - 1
      return bessel0(beta * math.sqrt(math.max(0, 1 - off * off))) / whole
    end)
  end)
end

-- ---------------------------------------------------------------------------------------------
-- Transforms of short pieces.

local order = {'hop_length', 'win_length', 'window', 'center', 'pad_mode', 'normalized', 'onesided',
  'length'}

-- Parameters by position, in the order of `names`, or by name.
local function read(name, n_fft, names, ...)
  local given = {...}
  local options = {}
  if type(given[1]) == 'table' then
    local known = {}
    for _, key in ipairs(order) do known[key] = true end
    for key, value in pairs(given[1]) do
      if not known[key] then
        error(('%s: no parameter is named %s'):format(name, tostring(key)), 3)
      end
      options[key] = value
    end
  else
    for k, key in ipairs(names) do options[key] = given[k] end
  end
  check_whole(name, 'n_fft', n_fft, 1, 2 ^ 24)
  options.hop_length = check_whole(name, 'hop_length',
    options.hop_length or math.max(1, math.floor(n_fft / 4)), 1)
  options.win_length = check_whole(name, 'win_length', options.win_length or n_fft, 1)
  if options.win_length > n_fft then error(name .. ': win_length is greater than n_fft', 3) end
  if options.onesided == nil then options.onesided = true end
  if options.center == nil then options.center = true end
  return options
end

-- The window with zeros on both sides up to n_fft.
local function full_window(name, x, n_fft, options)
  local given = options.window
  local w = given or torch.ones(options.win_length)
  if not torch.isTensor(w) or w:dim() ~= 1 or w:size(1) ~= options.win_length then
    error(('%s: a window of %d values expected'):format(name, options.win_length), 3)
  end
  local left = math.floor((n_fft - options.win_length) / 2)
  return torch.pad(w:typeAs(x), {left, n_fft - options.win_length - left})
end

function spectral.stft(x, n_fft, ...)
  check_tensor('stft', x)
  local options = read('stft', n_fft, {'hop_length', 'win_length', 'window', 'center', 'pad_mode',
    'normalized', 'onesided'}, ...)
  local single = x:dim() == 1
  if x:dim() > 2 or x:dim() < 1 then error('stft: a signal or a batch of signals expected', 2) end
  if not x.dtype:find('float') then error('stft: a signal of a floating-point type expected', 2) end
  if single then x = x:unsqueeze(1) end
  if options.center then
    local half = math.floor(n_fft / 2)
    x = torch.pad(x, {half, half}, options.pad_mode or 'reflect')
  end
  if x:size(2) < n_fft then error('stft: the signal is shorter than n_fft', 2) end
  local frames = torch.cmul(x:unfold(2, n_fft, options.hop_length),
    full_window('stft', x, n_fft, options))
  local norm = options.normalized and 'ortho' or nil
  local fft = torch.fft
  local y = options.onesided and fft.rfft(frames, nil, -1, norm)
    or fft.fft(spectral.complex(frames), nil, -1, norm)
  y = y:transpose(2, 3)
  return single and y:select(1, 1) or y
end

-- Pieces (batch, frames, n_fft) added up where they lie: (batch, length).
local function overlap_add(pieces, hop)
  local batch, count, n = pieces:size(1), pieces:size(2), pieces:size(3)
  local length = (count - 1) * hop + n
  return torch.col2im(pieces:transpose(2, 3), {1, length}, {1, n}, 1, 0, {1, hop})
    :view(batch, length)
end

function spectral.istft(x, n_fft, ...)
  check_pairs('istft', x)
  local options = read('istft', n_fft, {'hop_length', 'win_length', 'window', 'center',
    'normalized', 'onesided', 'length'}, ...)
  local single = x:dim() == 3
  if x:dim() ~= 3 and x:dim() ~= 4 then
    error('istft: (batch, frequencies, frames, 2) expected', 2)
  end
  if single then x = x:unsqueeze(1) end
  local bins = options.onesided and math.floor(n_fft / 2) + 1 or n_fft
  if x:size(2) ~= bins or x:size(3) < 1 then
    error(('istft: %d frequencies and at least one frame expected'):format(bins), 2)
  end
  local norm = options.normalized and 'ortho' or nil
  local turned, fft = x:transpose(2, 3), torch.fft
  local pieces = options.onesided and fft.irfft(turned, n_fft, -1, norm)
    or fft.ifft(turned, n_fft, -1, norm):select(4, 1)
  local w = full_window('istft', pieces, n_fft, options)
  local y = overlap_add(torch.cmul(pieces, w), options.hop_length)
  local weight = overlap_add(torch.cmul(w, w):view(1, 1, n_fft)
    :expand(1, pieces:size(2), n_fft):contiguous(), options.hop_length)
  local first = options.center and math.floor(n_fft / 2) or 0
  local last = y:size(2) - first
  if options.length then
    last = first + check_whole('istft', 'length', options.length, 0)
  end
  local have = math.min(last, y:size(2))
  if have <= first then error('istft: the pieces are too short for a signal', 2) end
  y, weight = y:narrow(2, first + 1, have - first), weight:narrow(2, first + 1, have - first)
  if torch.abs(weight:detach()):min() < 1e-11 then
    error('istft: the windows leave parts of the signal undetermined', 2)
  end
  y = torch.cdiv(y, weight)
  if last > have then y = torch.pad(y, {0, last - have}) end
  return single and y:select(1, 1) or y
end

return spectral
