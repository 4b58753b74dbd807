-- nginx with two workers answers predictions of the MNIST network (784, 128, 10 units), while wrk
-- asks on the same machine over connections that stay open:
--
--   moonlet scripts/bench/nginx.lua BUILD [SECONDS [ROUNDS]]
--
-- A prediction is one digit: its 784 numbers read from JSON, the network's ten results written as
-- JSON. Digits are real ones, with up to nine digits a number; `dense` ones have no zeros among
-- their numbers. Batches are of 64. A line each: the best round's rate, all that failed, and what
-- the workers took of the processors for one prediction, which hardly depends on what else runs.
local torch, nn = require 'torch', require 'nn'
local json = require 'serve.json'

local build, seconds, rounds = arg[1] or 'build', arg[2] or '1', tonumber(arg[3] or 1)
local here = arg[0]:match('^(.*)/bench/[^/]*$') or 'scripts'
local folder = os.tmpname()

local function output_of(command)
  local pipe = io.popen(command .. ' 2>/dev/null')
  local text = pipe:read('*a')
  pipe:close()
  return text
end

local function read(path)
  local file = io.open(path, 'rb')
  if not file then return '' end
  local text = file:read('*a')
  file:close()
  return text
end

local function write_bodies(name, count, make)
  local file = assert(io.open(folder .. '/' .. name, 'wb'))
  for i = 1, count do file:write('{"instances":', json.encode(make(i)), '}\n') end
  file:close()
end

local function prepare()
  os.remove(folder)
  os.execute(('mkdir -p %s/models && chmod 755 %s'):format(folder, folder))
  torch.manualSeed(1)
  torch.save(folder .. '/models/mnist.t7',
    nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)))
  local images = data.mnist{}.test.images
  images = images:view(images:size(1), 784)
  write_bodies('one', 64, function(i) return images:narrow(1, i, 1) end)
  write_bodies('dense', 64, function() return torch.rand(1, 784) end)
  write_bodies('batch', 8, function(i) return images:narrow(1, 64 * i, 64) end)
end

-- The port and the process, once it answers.
local function start()
  local port = 20000 + math.floor(torch.tic() * 1000) % 20000
  os.execute(('TMPDIR=%s WORKERS=2 MOONLET_BUILD=%s %s/embed/nginx/serve %s/models %d >%s/log 2>&1 '
    .. '& echo $! >%s/pid'):format(folder, build, here, folder, port, folder, folder))
  local url = ('http://127.0.0.1:%d/v1/models/mnist'):format(port)
  for _ = 1, 100 do
    if output_of('curl -s ' .. url):find('AVAILABLE') then return url end
    os.execute('sleep 0.05')
  end
  io.stderr:write('nginx did not start:\n', read(folder .. '/log'))
end

local function measure(url, name)
  local command = ('wrk -t1 -c16 -d%gs -s %s/embed/nginx/post.lua %s:predict -- %s/%s'):format(
    math.max(tonumber(seconds), 1), here, url, folder, name)
  local answers, time, failed = output_of(command)
    :match('answers (%d+) seconds (%S+) failed (%d+)')
  return answers / time, tonumber(failed), tonumber(answers)
end

local function workers()
  return output_of('ps -o pid= --ppid ' .. read(folder .. '/pid'):match('%d+')):gmatch('%d+')
end

local function memory_of_a_worker()
  local most = 0
  for id in workers() do
    local size = read(('/proc/%s/status'):format(id)):match('VmRSS:%s*(%d+) kB')
    most = math.max(most, tonumber(size) or 0)
  end
  return most
end

-- Seconds of the processor, the system's work included; the kernel counts hundredths.
local function time_of_workers()
  local ticks = 0
  for id in workers() do
    local fields = {}
    for field in read(('/proc/%s/stat'):format(id)):match('%) (.*)'):gmatch('%S+') do
      fields[#fields + 1] = tonumber(field) or 0
    end
    ticks = ticks + fields[12] + fields[13]
  end
  return ticks / 100
end

prepare()
local url = start()
if url then
  local cases = {{'one', 'a digit a request', 1}, {'dense', 'a dense digit a request', 1},
    {'batch', '64 digits a request', 64}}
  local best, failures, answered, took = {}, {}, {}, {}
  for _ = 1, rounds do
    for _, case in ipairs(cases) do
      local began = time_of_workers()
      local rate, failed, answers = measure(url, case[1])
      took[case] = (took[case] or 0) + time_of_workers() - began
      answered[case] = (answered[case] or 0) + answers * case[3]
      best[case] = math.max(best[case] or 0, rate * case[3])
      failures[case] = (failures[case] or 0) + failed
    end
  end
  for _, case in ipairs(cases) do
    print(('%s: %.0f per second, %d failed, %.1f us'):format(case[2], best[case], failures[case],
      took[case] / answered[case] * 1e6))
  end
  print(('workers: %.1f MB each'):format(memory_of_a_worker() * 1024 / 1e6))
  os.execute(('kill -QUIT %s; sleep 0.3'):format(read(folder .. '/pid'):match('%d+')))
end
os.execute('rm -rf ' .. folder)
