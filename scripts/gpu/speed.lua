-- What the GPU reaches, beside PyTorch on the same card in the same run: copies, pointwise
-- operations, small calls. Prints a table in Markdown. scripts/gpu/verify calls it.
local torch = require 'torch'
local here = arg[0]:match('^(.*/)') or './'

if not torch.cuda.is_available() then
  print('no GPU: nothing to measure')
  return
end

-- Seconds of one call, the best of some rounds; calls are queued, so the device is waited for.
local function time(f, times)
  local best = math.huge
  f()
  for _ = 1, 5 do
    torch.cuda.synchronize()
    local started = torch.tic()
    for _ = 1, times do f() end
    torch.cuda.synchronize()
    best = math.min(best, torch.toc(started) / times)
  end
  return best
end

local size = 2 ^ tonumber(os.getenv('MOONLET_GPU_SIZE') or 26)
local x, y = torch.rand(size):cuda(), torch.rand(size):cuda()
local out = torch.rand(size):cuda()
local small = torch.rand(10):cuda()
local bytes = 4 * size

-- name, seconds per call, and bytes moved where that is the measure
local ours = {
  { 'copy 256 MiB', time(function() out:copy(x) end, 20), 2 * bytes },
  { 'add 64 Mi floats', time(function() torch.add(out, x, y) end, 20), 3 * bytes },
  { 'exp 64 Mi floats', time(function() torch.exp(out, x) end, 20), 2 * bytes },
  { 'add of 10 floats', time(function() torch.add(small, small) end, 2000) },
}

local peer = {}
local pipe = io.popen('python3 ' .. here .. 'speed.py 2>/dev/null')
for name, seconds in pipe:read('*a'):gmatch('([^\n]-): (%S+)\n') do
  peer[name] = tonumber(seconds)
end
pipe:close()

print('| what | Moonlet | rate | PyTorch | times as fast |')
print('|---|---|---|---|---|')
for _, row in ipairs(ours) do
  local name, seconds, moved = row[1], row[2], row[3]
  local rate = moved and ('%.0f GB/s'):format(moved / seconds / 1e9) or ''
  local theirs = peer[name]
  local them = theirs and ('%.1f us | %.2f'):format(theirs * 1e6, theirs / seconds) or ' | '
  print(('| %s | %.1f us | %s | %s |'):format(name, seconds * 1e6, rate, them))
end
