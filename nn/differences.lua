--- Jacobians by finite differences and by backward, shared by nn.Jacobian and nn.SparseJacobian.
-- A Jacobian has a row for each element of the input or parameter, a column for each of the output.
local torch = require 'torch'
local values = require 'nn.values'

local differences = {}

--- The tensors of a value as one new vector.
local function flat(value)
  if type(value) == 'number' then return torch.Tensor{value} end
  local parts = {}
  values.each(function(tensor)
    if tensor:nElement() > 0 then
      parts[#parts + 1] = tensor:detach():contiguous():view(tensor:nElement())
    end
  end, value)
  return #parts > 0 and torch.cat(parts, 1) or torch.Tensor()
end
differences.flat = flat

--- fn(cell, i) for each element of a value; cell: a tensor of one element, in the same memory.
local function each_cell(value, fn)
  local i = 0
  values.each(function(tensor)
    local plain = tensor:detach()
    for k = 0, plain:nElement() - 1 do
      local offset, rest = plain:storageOffset(), k
      for d = plain:dim(), 1, -1 do
        offset = offset + rest % plain:size(d) * plain:stride(d)
        rest = math.floor(rest / plain:size(d))
      end
      i = i + 1
      fn(plain.new(plain:storage(), offset, torch.LongStorage{1}), i)
    end
  end, value)
end
differences.each_cell = each_cell

-- One element of the output's gradient after the other is 1: fn(dy, k).
local function each_seed(output, fn)
  if type(output) == 'number' then return fn(1, 1) end
  local dy = values.map(function(tensor) return torch.zeros_like(tensor:detach()) end, output)
  each_cell(dy, function(cell, k)
    cell[1] = 1
    fn(dy, k)
    cell[1] = 0
  end)
end
differences.each_seed = each_seed

--- d output / d (value that run() depends on), by central differences of this width.
function differences.forward(run, value, perturbation)
  local width = perturbation or 1e-6
  local jacobian = torch.Tensor(flat(value):nElement(), flat(run()):nElement())
  each_cell(value, function(cell, i)
    local old = cell[1]
    cell[1] = old - width
    local low = flat(run()):clone()
    cell[1] = old + width
    jacobian:select(1, i):copy((flat(run()) - low) / (2 * width))
    cell[1] = old
  end)
  return jacobian
end

--- The same by backward: gradient_of(dy) gives the gradient for a gradient of the output.
function differences.backward(module, input, gradient_of)
  local output = values.map(values.clone, module:forward(input))
  local jacobian
  each_seed(output, function(dy, k)
    local column = flat(gradient_of(dy))
    jacobian = jacobian or torch.Tensor(column:nElement(), flat(output):nElement()):zero()
    jacobian:select(2, k):copy(column)
  end)
  return jacobian or torch.Tensor()
end

--- Uniform numbers from `low` to `high`, -2 to 2 by default.
function differences.randomize(value, low, high)
  low, high = low or -2, high or 2
  values.each(function(tensor)
    local plain = tensor:detach()
    plain:copy(torch.rand(plain:nElement()):mul(high - low):add(low))
  end, value)
end

--- The largest absolute value of a difference.
function differences.distance(a, b)
  if a:nElement() == 0 then return 0 end
  return (a - b):abs():max()
end

local function write_and_read(module)
  local name = os.tmpname()
  local file = torch.DiskFile(name, 'w'):binary()
  file:writeObject(module)
  file:close()
  file = torch.DiskFile(name):binary()
  local copy = file:readObject()
  file:close()
  os.remove(name)
  return copy
end

--- Both passes: the output and the input's gradient, each as one new vector. The input stays, even
-- where a module writes over what it is given.
function differences.run(module, input, dy)
  input = values.map(values.clone, input)
  module:forward(input)
  module:zeroGradParameters()
  module:updateGradInput(input, dy)
  module:accGradParameters(input, dy)
  return flat(module.output):clone(), flat(module.gradInput):clone()
end

--- Writes a module to a file, runs it, and what is read from there: the largest differences of the
-- output, and of the input's gradient.
function differences.through_file(module, input, low, high)
  local dy = values.map(values.clone, module:forward(values.map(values.clone, input)))
  differences.randomize(dy, low, high)
  local output, gradient = differences.run(module, input, dy)
  if module:clearState() ~= module then
    error(('%s: clearState must return the module'):format(torch.type(module)), 0)
  end
  local other_output, other_gradient = differences.run(write_and_read(module), input, dy)
  return differences.distance(output, other_output),
    differences.distance(gradient, other_gradient)
end

return differences
