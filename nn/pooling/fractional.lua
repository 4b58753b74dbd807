--- Greatest values under windows that are almost, but not quite, evenly laid out, by lot for each
-- image and channel (Graham 2014). What the layers for images and for volumes share.
local torch = require 'torch'

local fractional = {}

--- Reads a size or a ratio of the result for each dimension into the fields out_X or ratio_X.
function fractional.set(module, names, windows, results)
  for i, name in ipairs(names) do
    local size, result = windows[i], results[i]
    if type(size) ~= 'number' or size < 1 or size % 1 ~= 0 then
      error(('%s: poolSize%s: a whole number from 1 on expected, got %s'):format(
        torch.type(module), name, tostring(size)), 0)
    end
    if type(result) ~= 'number' or result <= 0 or (result > 1 and result % 1 ~= 0) then
      error(('%s: for %s a size of the result, or a ratio below 1, expected, got %s'):format(
        torch.type(module), name, tostring(result)), 0)
    end
    module['poolSize' .. name] = size
    module[(result >= 1 and 'out' or 'ratio') .. name] = result
  end
  module.fixRandomSamples = false
end

--- Gives a class the method fixPoolingRegions.
function fractional.fixes(class)
  --- From now on (or with false: no longer) the same windows each time.
  function class:fixPoolingRegions(value)
    self.fixRandomSamples = value ~= false
    return self
  end
end

-- Where the windows begin, from 0: floor((i + u) a) - floor(u a) for one number u of each row.
local function begins(samples, size, window, out)
  local rows = samples:size(1)
  local last = torch.zeros(rows, 1, {dtype = 'float64', device = samples.device}) + (size - window)
  if out == 1 then return last end
  local step = (size - window) / (out - 1)
  local u = samples:to('float64'):view(rows, 1)
  local i = torch.range(0, out - 2, {dtype = 'float64', device = samples.device}):view(1, out - 1)
  return torch.cat((u + i):mul(step):floor() - torch.floor(u * step), last, 2)
end

-- Elements under each window along one dimension: (row, out, window), from 0.
local function elements(samples, size, window, out)
  local first = begins(samples, size, window, out)
  local within = torch.range(0, window - 1, {dtype = 'float64', device = first.device})
  return first:view(first:size(1), out, 1) + within:view(1, 1, window)
end

local function out_of(module, name, size)
  local out = module['out' .. name] or math.floor(size * module['ratio' .. name])
  local window = module['poolSize' .. name]
  if out < 1 or out + window - 1 > size then
    error(('a result of size %d with windows of %d expects an input of at least %d along %s, got '
      .. '%d'):format(out, window, out + window - 1, name, size), 0)
  end
  return out
end

local function draw(module, rows, n, device)
  local samples = module.randomSamples
  if not (module.fixRandomSamples and samples and samples:nElement() == rows * n) then
    samples = torch.rand(rows, n, {device = device})
    module.randomSamples = samples
  end
  return samples:to(device):view(rows, n)
end

--- batch: (batch, channel, ...). names: of its last dimensions, in order; column: which of the
-- random numbers of a channel is for which. Returns the values, and sets module.indices.
function fractional.pool(module, batch, names, column)
  local images, channels = batch:size(1), batch:size(2)
  local rows, cells = images * channels, 1
  local samples = draw(module, rows, #names, batch.device)
  local places, sizes, windows = nil, {}, 1
  for d, name in ipairs(names) do
    local size, window = batch:size(2 + d), module['poolSize' .. name]
    local out = out_of(module, name, size)
    local own = elements(samples:select(2, column[d]), size, window, out)
    if places then -- (row, places so far, 1, windows so far, 1) and (row, 1, out, 1, window)
      places = (places * size):view(rows, cells, 1, windows, 1) + own:view(rows, 1, out, 1, window)
    else
      places = own
    end
    cells, windows, sizes[d] = cells * out, windows * window, out
    places = places:view(rows, cells, windows)
  end
  places = places:to('int64'):add(1)
  local values = torch.gather(batch:reshape(rows, batch:nElement() / rows), 2,
    places:view(rows, cells * windows)):view(rows, cells, windows)
  local output, best = torch.max(values, 3)
  local shape = torch.LongStorage {images, channels, (table.unpack or unpack)(sizes)}
  module.indices = torch.gather(places, 3, best):view(shape)
  return output:view(shape)
end

return fractional
