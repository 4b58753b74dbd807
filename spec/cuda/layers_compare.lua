--- For specs of operations on a GPU: the same call on the CPU and there.
local torch = require 'torch'
local assert = require 'luassert'
local shared = require 'spec.cuda.compare'
local unpack = table.unpack or unpack

local compare = {}

-- Of the larger one of two numbers, or of 1.
compare.TOLERANCE = {float64 = 1e-11, float32 = 2e-5, float16 = 1e-2, bfloat16 = 6e-2}
compare.FLOATS = {'float32', 'float64', 'float16', 'bfloat16'}

--- Equal, both NaN, or apart by at most so much.
function compare.near(got, expected, tolerance, what)
  return shared.near(got:detach(), expected:detach(), tolerance, what)
end

-- What these specs are about; sums and the like have specs of their own.
local OURS = {}
for name in ([[softmax log_softmax normalize update_running cross_entropy nll_loss
    rotary_embedding dropout adam_step adam_steps sgd_step sgd_steps clip_norms unscale_steps
    bernoulli random exponential log_normal cauchy geometric multinomial multinomial_alias_draw
    poisson binomial standard_gamma]]):gmatch('%S+') do OURS[name] = true end

--- fn(...), where none of these operations goes by way of the CPU.
function compare.stays(fn, ...)
  local function counts()
    local out = {}
    for op, count in pairs(torch.cuda.detours()) do out[op] = OURS[op] and count end
    return out
  end
  local before = counts()
  local function after(...)
    assert.are.same(before, counts(), 'by way of the CPU')
    return ...
  end
  return after(fn(...))
end

-- Result, gradients and, `twice`, those of the gradients' squares.
local function derivative(fn, inputs, weights, twice)
  local leaves = {}
  for i = 1, inputs.n do
    local x = inputs[i]
    if torch.isTensor(x) and x.requires_grad then leaves[#leaves + 1] = x end
  end
  local out = fn(unpack(inputs, 1, inputs.n))
  if #leaves == 0 or not torch.isTensor(out) then return out, {} end
  local first = torch.grad({out}, leaves, weights and {weights} or nil, {create_graph = twice})
  if not twice then return out, first end
  local total
  for _, g in pairs(first) do
    if g.requires_grad then
      local part = torch.cmul(g, g):sum()
      total = total and total + part or part
    end
  end
  return out, first, total and torch.grad({total}, leaves) or {}
end

--- fn(inputs...) on the CPU and on a GPU: result and gradients. options: dtype, tolerance, twice
-- (second derivatives, too), detours (some are allowed), grad (false: none).
function compare.check(what, fn, inputs, options)
  options = options or {}
  local tolerance = options.tolerance or compare.TOLERANCE[options.dtype or 'float32']
  local here, there = {n = #inputs}, {n = #inputs}
  for i, x in ipairs(inputs) do
    if torch.isTensor(x) then
      local float = x.dtype:find('float')
      here[i] = float and options.dtype and x:to(options.dtype) or x
      there[i] = here[i]:cuda()
      if float and options.grad ~= false then
        here[i], there[i] = here[i]:detach(), there[i]:detach()
        here[i].requires_grad, there[i].requires_grad = true, true
      end
    else
      here[i], there[i] = x, x
    end
  end
  local weights
  do
    local out = torch.no_grad(fn, unpack(here, 1, here.n))
    if torch.isTensor(out) and out.dtype:find('float') then
      weights = torch.randn(out:size():totable()):to(out.dtype)
    end
  end
  local a, da, dda = derivative(fn, here, weights, options.twice)
  local run = options.detours and function(f, ...) return f(...) end or compare.stays
  local b, db, ddb = run(derivative, fn, there, weights and weights:cuda(), options.twice)
  if type(a) == 'number' then
    assert.is_true(math.abs(a - b) <= tolerance * math.max(1, math.abs(a)), what)
    return
  end
  compare.near(b, a, tolerance, what)
  for i, g in pairs(da) do compare.near(db[i], g, tolerance, what .. ': gradient ' .. i) end
  for i, g in pairs(dda or {}) do
    compare.near(ddb[i], g, 10 * tolerance, what .. ': second gradient ' .. i)
  end
end

return compare
