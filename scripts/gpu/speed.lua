-- What the GPU reaches, beside PyTorch on the same card in the same run, as a table in Markdown,
-- with the targets. scripts/gpu/verify calls it.
--
--   moonlet scripts/gpu/speed.lua [row...]     all rows, or those whose names begin so
--
-- MOONLET_GPU_TINY=1 makes every row small: for trying the script where there is no GPU to measure.
-- Each row is measured by itself; one that fails is told, and the others go on. The other side is
-- speed.py, which measures rows of the same names.
local torch, nn, optim = require 'torch', require 'nn', require 'optim'
local here = arg[0]:match('^(.*/)') or './'
local TINY = os.getenv('MOONLET_GPU_TINY') ~= nil

if not torch.cuda.is_available() then
  print('no GPU: nothing to measure')
  return
end

local function pick(full, tiny) return TINY and tiny or full end
local GPU = { device = 'cuda' }
local BF16 = { device = 'cuda', dtype = 'bfloat16' }

-- Seconds of one call: the best of some rounds of about 0.2 s. Calls are queued, so the device is
-- waited for.
local function time(f, least)
  for _ = 1, 3 do f() end
  torch.cuda.synchronize()
  local started = torch.tic()
  f()
  torch.cuda.synchronize()
  local many = math.min(pick(5000, 2), math.floor(0.2 / torch.toc(started)))
  local times = math.max(least or 3, many)
  local best = math.huge
  for _ = 1, pick(5, 1) do
    started = torch.tic()
    for _ = 1, times do f() end
    torch.cuda.synchronize()
    best = math.min(best, torch.toc(started) / times)
  end
  return best
end

-- -- Rows --------------------------------------------------------------------------------------
-- name, what it does (returns seconds, and how much was done: bytes, FLOP or samples), the unit,
-- and the target: `times` as fast as PyTorch, or a `share` of the bandwidth that copying reaches.

local function product(n)
  local size = pick(n, 64)
  local function random() return torch.randn(size, size, GPU):to('bfloat16') end
  local a, b = random(), random()
  local out = torch.empty(size, size, BF16)
  return time(function() torch.mm(out, a, b) end), 2 * size ^ 3
end

local function moving(count, bytes, f)
  local x, y = torch.rand(count, GPU), torch.rand(count, GPU)
  local out = torch.empty(count, GPU)
  return time(function() f(out, x, y) end), bytes * count
end

local LARGE = pick(2 ^ 28, 2 ^ 12)
local ROWS, COLUMNS = pick(32768, 8), pick(4096, 64)

local function rows(bytes, f)
  local x = torch.randn(ROWS, COLUMNS, GPU)
  return torch.no_grad(function()
    return time(function() f(x) end), bytes * ROWS * COLUMNS
  end)
end

-- A training step, under bfloat16 where it says so.
local function training(model, loss, optimizer, samples, mixed)
  local params = model:parameters()
  local o = optimizer(params)
  local function step()
    o:zero_grad()
    local l = mixed and torch.autocast('bfloat16', loss) or loss()
    l:backward()
    o:step()
  end
  return step, samples
end

local function classes(count, ...)
  return torch.rand(...):mul(count):floor():add(1):long():cuda()
end

local function resnet50()
  local batch, size = pick(256, 2), pick(224, 32)
  local model = nn.ResNet { depth = pick(50, 18), classes = pick(1000, 10), width = pick(64, 4),
    small_images = TINY }:cuda()
  -- channels last, as tensor cores want them; they stay so from layer to layer
  local x = torch.randn(batch, size, size, 3, GPU):permute(1, 4, 2, 3)
  local y = classes(pick(1000, 10), batch)
  torch.cuda.cudnn { benchmark = true }
  local criterion = nn.CrossEntropyCriterion():cuda()
  local step = training(model, function() return criterion(model(x), y) end,
    function(p) return optim.SGD(p, { lr = 0.01, momentum = 0.9 }) end, batch, true)
  return time(step, 1), batch
end

local function gpt2()
  local batch, context = pick(16, 1), pick(1024, 8)
  local model = nn.GPT(TINY and { vocabulary = 11, context = 8, layers = 1, heads = 2, width = 8 }
    or { vocabulary = 50257, context = 1024, layers = 12, heads = 12, width = 768 }):cuda()
  local count = pick(50257, 11)
  local x, y = classes(count, batch, context), classes(count, batch, context)
  local step = training(model, function() return model:loss(x, y) end,
    function(p) return optim.AdamW(p, { lr = 1e-4 }) end, batch * context, true)
  return time(step, 1), batch * context
end

local function lstm()
  local batch, steps = pick(50, 2), pick(50, 3)
  local model = nn.CharLSTM { vocabulary = 65, width = pick(128, 8), layers = 2 }:cuda()
  local x, y = classes(65, batch, steps), classes(65, batch, steps)
  local step = training(model, function() return model:loss(x, y) end,
    function(p) return optim.Adam(p, { lr = 1e-3 }) end, batch * steps)
  return time(step, 1), batch * steps
end

local function mlp(captured)
  local batch = 32
  local model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)):cuda()
  local criterion = nn.CrossEntropyCriterion():cuda()
  local x, y = torch.randn(batch, 784, GPU), classes(10, batch)
  local step = training(model, function() return criterion(model(x), y) end,
    function(p) return optim.Adam(p, { lr = 1e-3 }) end, batch)
  if captured then
    for _ = 1, 3 do step() end
    local graph = torch.cuda.graph(step)
    return time(function() graph:replay() end), 1
  end
  return time(step), 1
end

local LIST = {
  { 'mm bf16 8192', function() return product(8192) end, 'TFLOP/s', times = 0.95 },
  { 'mm bf16 4096', function() return product(4096) end, 'TFLOP/s', times = 0.95 },
  { 'copy 1 GiB', function()
    return moving(LARGE, 8, function(out, x) out:copy(x) end)
  end, 'GB/s', share = 0.9 },
  { 'add 256 Mi floats', function() return moving(LARGE, 12, torch.add) end, 'GB/s', share = 0.9 },
  { 'exp 256 Mi floats', function()
    return moving(LARGE, 8, function(out, x) torch.exp(out, x) end)
  end, 'GB/s', share = 0.9 },
  { 'softmax 32768x4096', function()
    return rows(8, function(x) return torch.softmax(x, 2) end)
  end, 'GB/s', share = 0.8 },
  { 'layer norm 32768x4096', function()
    local w, b = torch.ones(COLUMNS, GPU), torch.zeros(COLUMNS, GPU)
    return rows(8, function(x) return torch.layer_norm(x, { COLUMNS }, w, b) end)
  end, 'GB/s', share = 0.8 },
  { 'cross entropy 32768x4096', function()
    local y = classes(COLUMNS, ROWS)
    return rows(4, function(x) return torch.cross_entropy(x, y) end)
  end, 'GB/s', share = 0.8 },
  { 'add of 10 floats', function()
    local x = torch.rand(10, GPU)
    return time(function() torch.add(x, x) end, 1000), 1
  end, 'calls/s', times = 2 },
  { 'ResNet-50 step, bf16, 256 images', resnet50, 'images/s', times = 1 },
  { 'GPT-2 124M step, bf16, 16x1024', gpt2, 'tokens/s', times = 1.2 },
  { 'char-LSTM step, 50x50', lstm, 'tokens/s', times = 3 },
  { 'MLP step of 32 digits', mlp, 'steps/s' },
  { 'MLP step of 32 digits, captured', function() return mlp(true) end, 'steps/s', times = 10 },
}

local SCALE = { ['TFLOP/s'] = 1e12, ['GB/s'] = 1e9 }

-- -- The table ---------------------------------------------------------------------------------

local function wanted(name)
  for i = 1, #arg do
    if name:sub(1, #arg[i]) == arg[i] then return true end
  end
  return #arg == 0
end

local function measure()
  local results = {}
  for _, row in ipairs(LIST) do
    if wanted(row[1]) then
      collectgarbage()
      collectgarbage()
      if torch.cuda.empty_cache then torch.cuda.empty_cache() end
      local ok, seconds, amount = pcall(row[2])
      results[#results + 1] = { row = row, seconds = ok and seconds or nil, amount = amount,
        problem = not ok and tostring(seconds):gsub('\n.*', ''):sub(1, 160) or nil }
      io.stderr:write(row[1], ': ', ok and ('%.6g s'):format(seconds) or results[#results].problem,
        '\n')
    end
  end
  return results
end

-- `name: seconds` a line; a captured step is measured against an ordinary one.
local function peer()
  local seconds = {}
  local pipe = io.popen(('python3 %sspeed.py %s'):format(here, TINY and 'tiny' or ''))
  for line in pipe:lines() do
    local name, number = line:match('^(.-): ([%d.e+-]+)$')
    if name then seconds[name] = tonumber(number) end
  end
  pipe:close()
  return seconds
end

local function show(results, theirs)
  local copied
  for _, r in ipairs(results) do
    if r.row[1]:match('^copy') and r.seconds then copied = r.amount / r.seconds end
  end
  print('| what | Moonlet | rate | PyTorch | times as fast | target | met |')
  print('|---|---|---|---|---|---|---|')
  local met, missed = 0, 0
  for _, r in ipairs(results) do
    local row, them = r.row, theirs[r.row[1]:gsub(', captured', '')]
    local unit = row[3]
    local reached = r.seconds and them and them / r.seconds
    local target, good = '', nil
    if row.times then
      target = ('%gx'):format(row.times)
      if reached then good = reached >= row.times end
    elseif row.share then
      target = ('%g of copying'):format(row.share)
      if r.seconds and copied then good = r.amount / r.seconds >= row.share * copied end
    end
    if not r.seconds then good = false end
    if good then met = met + 1 elseif good == false then missed = missed + 1 end
    print(('| %s | %s | %s | %s | %s | %s | %s |'):format(row[1],
      r.seconds and ('%.1f us'):format(r.seconds * 1e6) or r.problem,
      r.seconds and ('%.4g %s'):format(r.amount / r.seconds / (SCALE[unit] or 1), unit) or '',
      them and ('%.1f us'):format(them * 1e6) or '', reached and ('%.2f'):format(reached) or '',
      target, good == nil and '' or good and 'yes' or 'NO'))
  end
  print()
  print(('%d targets met, %d missed'):format(met, missed))
end

local results = measure()
torch.cuda.synchronize()
show(results, peer())
