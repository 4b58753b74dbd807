--- What the criterions share: reading options and arguments, and making one number of many losses.
local torch = require 'torch'

local losses = {}

--- '4x3', for messages.
function losses.size_text(tensor)
  if tensor:dim() == 0 then return 'no dimension' end
  return table.concat(tensor:size():totable(), 'x')
end

-- ---------------------------------------------------------------------------------------------
-- Options.

local REDUCTIONS = {mean = true, sum = true, none = true}

local function check_option(name, value, default)
  if default ~= nil and type(value) ~= type(default) then
    error(('option %s must be a %s, got %s'):format(name, type(default), type(value)), 0)
  end
end

local function check_reduction(value, more)
  if REDUCTIONS[value] or value == more then return end
  error(("option reduction is 'mean', 'sum'%s or 'none', got '%s'"):format(
    more and (", '%s'"):format(more) or '', tostring(value)), 0)
end

local function unknown(name, defaults)
  local known = {'reduction'}
  for option in pairs(defaults) do known[#known + 1] = option end
  table.sort(known)
  error(("no option '%s'; there are %s"):format(tostring(name), table.concat(known, ', ')), 0)
end

local function read_options(self, given, defaults, optional, more)
  for name, value in pairs(defaults) do self[name] = value end
  for name, value in pairs(given) do
    if name == 'reduction' then
      check_reduction(value, more)
    elseif defaults[name] ~= nil then
      check_option(name, value, defaults[name])
    elseif not (optional and optional[name]) then
      local all = {}
      for option in pairs(defaults) do all[option] = true end
      for option in pairs(optional or {}) do all[option] = true end
      unknown(name, all)
    end
    self[name] = value
  end
end

--- For constructors, whose caller is to blame for errors: `given` is nil, true or false, which is
-- Torch7's sizeAverage, or a table of options: those of `defaults`, those of `optional` (a set),
-- and reduction = 'mean', 'sum', 'none' or `more`. They become fields.
function losses.setup(self, given, defaults, optional, more)
  self.gradInput, self.output = torch.Tensor(), 0
  self.sizeAverage = given ~= false
  if type(given) == 'boolean' then given = nil end
  if given ~= nil and (type(given) ~= 'table' or torch.typename(given)) then
    error(('%s: true, false or a table of options expected, got %s'):format(torch.type(self),
      torch.type(given)), 4)
  end
  local ok, message = pcall(read_options, self, given or {}, defaults or {}, optional, more)
  if not ok then error(('%s: %s'):format(torch.type(self), message), 4) end
end

--- 'mean', 'sum', 'none': the field reduction, or what sizeAverage says.
function losses.reduction(self)
  return self.reduction or (self.sizeAverage == false and 'sum' or 'mean')
end

--- The mean of the values, their sum, or all of them, as the criterion has it.
function losses.reduce(self, values)
  local how = losses.reduction(self)
  if how == 'none' then return values end
  return how == 'sum' and values:sum() or values:mean()
end

-- ---------------------------------------------------------------------------------------------
-- Arguments.

--- Raises unless it is a tensor with elements.
function losses.check_tensor(value, what)
  if type(value) ~= 'userdata' or not torch.isTensor(value) then
    error(('%s: a tensor expected, got %s'):format(what or 'input', torch.type(value)), 0)
  end
  if value:nElement() == 0 then error((what or 'input') .. ' has no elements', 0) end
end

--- `value` as tensor of the type of `input`.
function losses.typed_as(value, input)
  if getmetatable(value) == getmetatable(input) then return value end
  return value:typeAs(input)
end

--- The target in the type and size of the input; a number stands for a tensor filled with it.
function losses.like(input, target, what)
  losses.check_tensor(input)
  if type(target) == 'number' then return input:detach():clone():fill(target) end
  what = what or 'target'
  losses.check_tensor(target, what)
  target = losses.typed_as(target, input)
  if target:isSameSizeAs(input) then return target end
  if target:nElement() ~= input:nElement() then
    error(('input has size %s, but the %s size %s'):format(losses.size_text(input), what,
      losses.size_text(target)), 0)
  end
  return target:reshape(input:size())
end

--- Raises unless `input` is a table of `count` tensors of one size.
function losses.check_parts(input, count)
  if type(input) ~= 'table' or #input ~= count then
    error(('input: a table of %d tensors expected, got %s'):format(count,
      type(input) == 'table' and 'one of ' .. #input or torch.type(input)), 0)
  end
  for i = 1, count do
    losses.check_tensor(input[i], 'input ' .. i)
    if not input[i]:isSameSizeAs(input[1]) then
      error(('input 1 has size %s, but input %d size %s'):format(losses.size_text(input[1]), i,
        losses.size_text(input[i])), 0)
    end
  end
end

--- Weights of classes or elements, for constructors: a tensor of one dimension, or nothing.
function losses.check_weights(self, weights)
  if weights == nil then return end
  if not torch.isTensor(weights) or weights:dim() ~= 1 then
    error(('%s: weights: a tensor of one dimension expected, got %s'):format(torch.type(self),
      torch.isTensor(weights) and losses.size_text(weights) or torch.type(weights)), 4)
  end
end

--- values, weighted along their last dimension.
function losses.weighted(values, weights)
  if not weights then return values end
  local size = values:size(values:dim())
  if weights:nElement() ~= size then
    error(('%d weights for %d elements'):format(weights:nElement(), size), 0)
  end
  return torch.cmul(values, losses.typed_as(weights, values))
end

return losses
