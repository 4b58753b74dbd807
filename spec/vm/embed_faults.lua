-- Every operation, with each of its requests for memory failing in turn: run by
-- embed_faults.c, which gives the table `faults`. Returns how many calls failed, of how many
-- samples, or raises what is wrong.
local unpack = table.unpack or unpack
local samples = require 'spec.support.samples'

-- Operations first, first + step, ...; requests 1 .. most of each; or only the one named.
local first, step, most, only = ...

-- One forward and, where there is one, one backward pass; gives results and gradients.
local function call(row, sample)
  torch.manualSeed(3)
  local inputs, roots, seeds = {}, {}, {}
  for k, x in ipairs(sample.inputs) do
    inputs[k] = x:clone()
    if row.floats and not row.no_grad then inputs[k].requires_grad = true end
  end
  local results = {sample.call(torch[row.name], sample.args(unpack(inputs)))}
  for _, y in ipairs(results) do
    if torch.isTensor(y) and y.requires_grad then
      roots[#roots + 1] = y
      seeds[#seeds + 1] = torch.ones_like(y)
    end
  end
  for k = 1, #roots do roots[k]:backward(seeds[k], {retain_graph = true}) end
  for _, x in ipairs(inputs) do results[#results + 1] = x.grad end
  return results
end

local function same(a, b)
  if #a ~= #b then return false end
  for k, x in ipairs(a) do
    if torch.isTensor(x) then
      local y = b[k]
      if not torch.isTensor(y) or not x:isSameSizeAs(y) then return false end
      local d = (x:detach():double() - y:detach():double()):abs()
      if d:nElement() > 0 and d:max() > 1e-6 then return false end
    elseif type(x) == 'number' and math.abs(x - b[k]) > 1e-6 then
      return false
    end
  end
  return true
end

local failed, count, problems = 0, 0, {}

local function problem(row, format, ...)
  problems[#problems + 1] = row.op .. ': ' .. format:format(...)
end

-- Request `at` of the call fails, and with `on` all after it. False when there is no such request.
local function try(row, sample, reference, at, on)
  faults.trim()
  faults.arm(at, on)
  local ok, result = pcall(call, row, sample)
  if not faults.disarm() then return false end
  failed = failed + 1
  if not ok and not tostring(result):find('memory') then
    problem(row, 'request %d failing: %s', at, tostring(result))
  end
  if ok and not same(reference, result) then
    problem(row, 'request %d failing: another result', at)
  end
  return true
end

for index = first, #torch.ops, step do
  local row = torch.ops[index]
  if not only or only == '' or row.op == only then
    for _, sample in ipairs(samples.typed(row)) do
      local reference = call(row, sample)
      collectgarbage()
      collectgarbage()
      local held = faults.tensors()
      for on = 0, 1 do
        for at = 1, most do
          if not try(row, sample, reference, at, on == 1) then break end
        end
      end
      collectgarbage()
      collectgarbage()
      if faults.tensors() > held then
        problem(row, '%d tensors are left', faults.tensors() - held)
      end
      count = count + 1
    end
  end
end
if #problems > 0 then error(table.concat(problems, '\n'), 0) end
return failed, count
