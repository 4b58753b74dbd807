-- Every module of spec/nn/cases once forward and backward on a GPU, small: for a run under
-- compute-sanitizer, which watches each access of the kernels. Values are spec/cuda's business.
--
--   compute-sanitizer --error-exitcode 9 moonlet scripts/gpu/memcheck.lua [seconds]
--
-- It stops after so many seconds (60), and says how many cases it came to.
local torch, nn = require 'torch', require 'nn'

local LIMIT = tonumber(arg[1]) or 60
local FILES = { 'simple', 'basic', 'transfer', 'spatial', 'normalization', 'attention', 'sequences',
  'criterions', 'tables', 'containers' }

local function map(fn, value)
  if torch.isTensor(value) then return fn(value) end
  if type(value) ~= 'table' then return value end
  local out = {}
  for key, part in pairs(value) do out[key] = map(fn, part) end
  return out
end

local function float(t) return t.dtype == 'float64' and t:float() or t end
local function to_gpu(value) return map(function(t) return float(t):cuda() end, value) end

local function run(case)
  local module, input = case[1]():float():cuda(), to_gpu(case[2]())
  local target = case[3] and case[3]()
  if target ~= nil then target = to_gpu(target) end
  local output = module:forward(input, target)
  if target ~= nil or type(output) == 'number' then
    module:backward(input, target)
  else
    module:backward(input, map(function(t) return t:detach():clone() end, output))
  end
end

local started = torch.tic()
local done, failed, left = 0, 0, 0
for _, file in ipairs(FILES) do
  local cases = dofile('spec/nn/cases/' .. file .. '.lua')
  local names = {}
  for name in pairs(cases) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if torch.toc(started) > LIMIT then
      left = left + 1
    else
      torch.manualSeed(7)
      local ok, problem = pcall(run, cases[name])
      if ok then
        done = done + 1
      else
        failed = failed + 1
        print(name .. ': ' .. tostring(problem):gsub('\n.*', ''))
      end
    end
  end
end
torch.cuda.synchronize()
assert(nn)
print(('%d cases ran, %d failed, %d left out for want of time'):format(done, failed, left))
os.exit(failed == 0 and 0 or 1)
