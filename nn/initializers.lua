--- nn.init: first values of parameters. Each fills a tensor in place and returns it; the numbers of
-- inputs and outputs are those of a weight (output, input, width of the kernel...).
local torch = require 'torch'

local init = {}

-- ---------------------------------------------------------------------------------------------
-- Helpers.

local function check(tensor, name, dims)
  if not torch.isTensor(tensor) or not tensor.dtype:find('float') then
    error(('nn.init.%s: a floating-point tensor expected, got %s'):format(name,
      torch.type(tensor)), 3)
  end
  if dims and tensor:dim() < dims then
    error(('nn.init.%s: a tensor of %d or more dimensions expected, got one of %d'):format(name,
      dims, tensor:dim()), 3)
  end
end

-- Fills without a record of it.
local function fill(tensor, method, ...)
  torch.no_grad(tensor[method], tensor, ...)
  return tensor
end

local function fans(tensor)
  local field = 1
  for d = 3, tensor:dim() do field = field * tensor:size(d) end
  return tensor:size(2) * field, tensor:size(1) * field
end

local GAINS = {linear = 1, conv1d = 1, conv2d = 1, conv3d = 1, sigmoid = 1, identity = 1,
  tanh = 5 / 3, relu = math.sqrt(2), selu = 3 / 4}

--- By how much a weight should be larger for the transfer function that follows it.
-- slope: of leaky_relu, for negative inputs.
function init.calculate_gain(transfer, slope)
  if transfer == 'leaky_relu' then
    slope = slope or 0.01
    return math.sqrt(2 / (1 + slope * slope))
  end
  if not GAINS[transfer] then
    local names = {"leaky_relu"}
    for name in pairs(GAINS) do names[#names + 1] = name end
    table.sort(names)
    error(('nn.init.calculate_gain: one of %s expected, got %s'):format(
      table.concat(names, ', '), tostring(transfer)), 2)
  end
  return GAINS[transfer]
end

-- ---------------------------------------------------------------------------------------------
-- Distributions.

--- Uniform numbers from `from` to `to`.
function init.uniform(tensor, from, to)
  check(tensor, 'uniform')
  return fill(tensor, 'uniform', from or 0, to or 1)
end

--- Normal numbers.
function init.normal(tensor, mean, std)
  check(tensor, 'normal')
  return fill(tensor, 'normal', mean or 0, std or 1)
end

-- How much of the normal distribution lies below x.
local function below(x)
  return (1 + torch.erf(torch.DoubleTensor{x / math.sqrt(2)})[1]) / 2
end

--- Normal numbers within [from, to]; the others are drawn again.
function init.trunc_normal(tensor, mean, std, from, to)
  check(tensor, 'trunc_normal')
  mean, std, from, to = mean or 0, std or 1, from or -2, to or 2
  if not (from < to and std > 0) then
    error(('nn.init.trunc_normal: std > 0 and from < to expected, got %g, %g and %g'):format(
      std, from, to), 2)
  end
  -- Uniform numbers through the inverse of the cumulative distribution.
  local low, high = below((from - mean) / std), below((to - mean) / std)
  local numbers = torch.DoubleTensor(tensor:nElement()):uniform(2 * low - 1, 2 * high - 1)
  numbers = torch.erfinv(numbers):mul(std * math.sqrt(2)):add(mean):clamp(from, to)
  return fill(tensor, 'copy', numbers)
end

--- The same number everywhere.
function init.constant(tensor, value)
  check(tensor, 'constant')
  return fill(tensor, 'fill', value)
end

--- Glorot and Bengio 2010: the variance of values and of gradients stays the same.
function init.xavier_uniform(tensor, gain)
  check(tensor, 'xavier_uniform', 2)
  local inputs, outputs = fans(tensor)
  local bound = (gain or 1) * math.sqrt(6 / (inputs + outputs))
  return fill(tensor, 'uniform', -bound, bound)
end

function init.xavier_normal(tensor, gain)
  check(tensor, 'xavier_normal', 2)
  local inputs, outputs = fans(tensor)
  return fill(tensor, 'normal', 0, (gain or 1) * math.sqrt(2 / (inputs + outputs)))
end

local function kaiming_std(tensor, slope, mode, transfer, name)
  check(tensor, name, 2)
  if mode ~= nil and mode ~= 'fan_in' and mode ~= 'fan_out' then
    error(('nn.init.%s: fan_in or fan_out expected, got %s'):format(name, tostring(mode)), 3)
  end
  local inputs, outputs = fans(tensor)
  local gain = init.calculate_gain(transfer or 'leaky_relu', slope or 0)
  return gain / math.sqrt(mode == 'fan_out' and outputs or inputs)
end

--- He et al. 2015. slope: of the leaky_relu that follows; mode: 'fan_in' keeps the variance of
-- values, 'fan_out' that of gradients; transfer: see calculate_gain.
function init.kaiming_uniform(tensor, slope, mode, transfer)
  local bound = math.sqrt(3) * kaiming_std(tensor, slope, mode, transfer, 'kaiming_uniform')
  return fill(tensor, 'uniform', -bound, bound)
end

function init.kaiming_normal(tensor, slope, mode, transfer)
  return fill(tensor, 'normal', 0, kaiming_std(tensor, slope, mode, transfer, 'kaiming_normal'))
end

-- ---------------------------------------------------------------------------------------------
-- Matrices.

local function orthogonal_rows(rows, columns)
  local q, r = torch.qr(torch.DoubleTensor(math.max(rows, columns), math.min(rows, columns))
    :normal())
  -- The signs make the distribution uniform: Mezzadri 2007.
  local signs = torch.sign(torch.diag(r))
  q = torch.cmul(q, signs:view(1, signs:nElement()):expandAs(q))
  return rows < columns and q:t() or q
end

--- An orthogonal matrix, times `gain`; dimensions after the first count as one. Saxe et al. 2013.
function init.orthogonal(tensor, gain)
  check(tensor, 'orthogonal', 2)
  if tensor:nElement() == 0 then return tensor end
  local rows = tensor:size(1)
  local matrix = torch.no_grad(orthogonal_rows, rows, tensor:nElement() / rows)
  return fill(tensor, 'copy', matrix:contiguous():view(tensor:size()):mul(gain or 1))
end

--- In each column a share `sparsity` of zeros, at random places, among normal numbers.
function init.sparse(tensor, sparsity, std)
  check(tensor, 'sparse', 2)
  if tensor:dim() ~= 2 or type(sparsity) ~= 'number' or not (sparsity >= 0 and sparsity <= 1) then
    error(('nn.init.sparse: a matrix and a share from 0 to 1 expected, got %d dimensions and %s')
      :format(tensor:dim(), tostring(sparsity)), 2)
  end
  fill(tensor, 'normal', 0, std or 0.01)
  local rows, plain = tensor:size(1), tensor:detach()
  local zeros = math.ceil(sparsity * rows)
  for column = 1, tensor:size(2) do
    local order = torch.randperm(rows)
    for i = 1, zeros do plain[order[i]][column] = 0 end
  end
  return tensor
end

--- The identity, as far as the matrix goes.
function init.eye(tensor)
  check(tensor, 'eye', 2)
  if tensor:dim() ~= 2 then
    error(('nn.init.eye: a matrix expected, got %d dimensions'):format(tensor:dim()), 2)
  end
  return fill(tensor, 'copy', torch.eye(tensor:size(1), tensor:size(2)))
end

--- A kernel of a convolution that passes its channels through, in each of the groups.
function init.dirac(tensor, groups)
  check(tensor, 'dirac', 3)
  groups = groups or 1
  local outputs, inputs = tensor:size(1), tensor:size(2)
  if tensor:dim() > 5 or outputs % groups ~= 0 then
    error(('nn.init.dirac: 3 to 5 dimensions, of which the first can be parted in %d groups, '
      .. 'expected, got %d and %d outputs'):format(groups, tensor:dim(), outputs), 2)
  end
  fill(tensor, 'zero')
  local each = outputs / groups
  for output = 1, outputs do
    local channel = (output - 1) % each + 1
    if channel <= inputs then
      local kernel = tensor:detach()[output][channel]
      for d = 1, kernel:dim() do
        local middle = math.floor(kernel:size(d) / 2) + 1
        kernel = kernel:narrow(d, middle, 1)
      end
      kernel:fill(1)
    end
  end
  return tensor
end

return init
