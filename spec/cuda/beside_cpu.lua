-- What an operation gives on a GPU, beside what it gives on the CPU: values and gradients, without
-- a detour. Used by the specs of this folder.
local torch = require('torch')
local unpack = table.unpack or unpack

local M = {}

M.tolerance = { float64 = 1e-10, float32 = 2e-5, float16 = 4e-3, bfloat16 = 3e-2 }
M.floats = { 'float32', 'float64', 'float16', 'bfloat16' }

local function equal(expected, got, what)
  if expected ~= got then
    error(('%s: %s, expected %s'):format(what, tostring(got), tostring(expected)), 0)
  end
end

local function sizes(t) return table.concat(t:size():totable(), 'x') end

-- Equal, both NaN, or apart by at most so much of the greatest value.
function M.near(got, expected, tolerance, what)
  equal(sizes(expected), sizes(got), what .. ': size')
  equal(expected.dtype, got.dtype, what .. ': dtype')
  if expected:nElement() == 0 then return end
  local a, b = got:detach():cpu():double():contiguous():view(-1),
    expected:detach():double():contiguous():view(-1)
  local nan = torch.ne(b, b)
  equal(true, torch.equal(torch.ne(a, a), nan), what .. ': NaN')
  local same = torch.eq(a, b)
  same:cmax(nan)
  local size = torch.abs(b):maskedFill(same, 0):max()
  local apart = torch.abs(torch.csub(a, b)):maskedFill(same, 0)
  local worst, at = apart:max(1)
  if worst[1] > tolerance * math.max(1, size) then
    local i = at[1]
    error(('%s: element %d is %.9g, expected %.9g'):format(what, i, a[i], b[i]), 0)
  end
end

local function results(fn, inputs)
  local all = { fn(unpack(inputs)) }
  local out = {}
  for i = 1, #all do
    if torch.isTensor(all[i]) then out[#out + 1] = all[i] end
  end
  return out
end

local function total() -- of detours
  local n = 0
  for _, count in pairs(torch.cuda.detours()) do n = n + count end
  return n
end

-- Runs fn(inputs...) on both. inputs: tensors of the CPU; options.dtype converts those that float;
-- options.arrange(tensor) makes another view of each. options.gradient: false, true, or 2 for that
-- of the gradient too. options.elsewhere: operations around it may go by way of the CPU.
function M.check(what, fn, inputs, options)
  options = options or {}
  local dtype = options.dtype or 'float32'
  local tolerance = options.tolerance or M.tolerance[dtype] or 0
  local gradient = options.gradient ~= false and dtype:match('float')
  local here, there, leaves_here, leaves_there = {}, {}, {}, {}
  local detours = total()
  for i, x in ipairs(inputs) do
    local floats = x.dtype:match('float')
    local a = floats and x:detach():to(dtype) or x
    local b = a:cuda()
    if options.arrange then a, b = options.arrange(a), options.arrange(b) end
    if gradient and floats then
      a.requires_grad, b.requires_grad = true, true
      leaves_here[#leaves_here + 1], leaves_there[#leaves_there + 1] = a, b
    end
    here[i], there[i] = a, b
  end
  what = what .. ' ' .. dtype
  local expected, got = results(fn, here), results(fn, there)
  equal(#expected, #got, what)
  for i = 1, #expected do
    equal('cuda:0', got[i].device, what)
    M.near(got[i], expected[i], tolerance, what .. ': result ' .. i)
  end
  if gradient and #leaves_here > 0 then
    local wide = tolerance * 2
    local arrived = torch.zeros(unpack(expected[1]:size():totable())):uniform(-1, 1)
    arrived = arrived:to(expected[1].dtype)
    local second = options.gradient == 2
    local graph = { create_graph = second }
    local g = torch.grad(expected[1], leaves_here, { arrived }, graph)
    local h = torch.grad(got[1], leaves_there, { arrived:cuda() }, graph)
    for i = 1, #g do M.near(h[i], g[i], wide, what .. ': gradient ' .. i) end
    if second then
      local function penalty(list)
        local sum
        for _, t in ipairs(list) do
          local s = torch.cmul(t, t):sum()
          sum = sum and sum + s or s
        end
        return sum
      end
      local g2 = torch.grad(penalty(g), leaves_here, nil, { allow_unused = true })
      local h2 = torch.grad(penalty(h), leaves_there, nil, { allow_unused = true })
      for i = 1, #leaves_here do
        equal(g2[i] == nil, h2[i] == nil, what)
        if g2[i] then M.near(h2[i], g2[i], wide * 4, what .. ': second gradient ' .. i) end
      end
    end
  end
  if options.elsewhere then return end
  local names = {}
  for name in pairs(torch.cuda.detours()) do names[#names + 1] = name end
  equal(detours, total(), what .. ': by way of the CPU (' .. table.concat(names, ', ') .. ')')
end

return M
