--- Modules that write their result over their input, as Torch7's do that are made with `inplace`.
-- They do so where it changes no gradient: not where one needs the values that would go, as that of
-- a Tanh before needs its result, and not where the input is a view, or a leaf in model(x).
local torch = require 'torch'
local run = require 'nn.run'

local inplace = {}

run.writes = true

local function pass_on(dy) return dy end

local function may_replace(tensor)
  return tensor.is_replaceable
    and (run.pass() or not (tensor.is_leaf and tensor.requires_grad and torch.is_grad_enabled()))
end

--- The input, or in a forward a tensor with its memory and history, for the result; nil where the
-- module is to make a new one. input: a tensor.
function inplace.target(module, input)
  if not module.inplace or type(input) ~= 'userdata' or not torch.is_floating_point(input)
      or not may_replace(run.original(input)) then
    return nil
  end
  if not run.pass() then return input end -- what is written is recorded in it
  local target = input:detach()
  if input.requires_grad and torch.is_grad_enabled() then
    torch.record(pass_on, {input}, {target})
  end
  return target
end

--- fn(input, argument), where its gradient needs a copy of the input.
function inplace.moved(module, input, fn, argument)
  local target = inplace.target(module, input)
  if not target then return fn(input, argument) end
  return target:copy(fn(target:clone(), argument))
end

return inplace
