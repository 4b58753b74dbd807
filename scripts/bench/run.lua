-- `make bench`: this machine's figures beside those of its peers, measured in turns in one run.
--
--   moonlet scripts/bench/run.lua BUILD TOOLS
--
-- BUILD has the program, TOOLS the C programs of this folder. The environment: MOONLET_PEER, a
-- virtual environment with PyTorch; BENCH_SECONDS per measurement (1), BENCH_ROUNDS (5);
-- BENCH_ONLY, one of training, nn, calls, frozen, tensors, startup, memory, size and nginx.
local build, tools = arg[1] or 'build', arg[2] or 'build/bench'
local here = arg[0]:match('^(.*/)') or './'
local show = dofile(here .. 'table.lua')

local seconds = os.getenv('BENCH_SECONDS') or '1'
local rounds = tonumber(os.getenv('BENCH_ROUNDS') or 5)
local moonlet = build .. '/moonlet'

-- ---- running ----

local function output_of(command)
  local pipe = io.popen('{ ' .. command .. '; } 2>/dev/null')
  local text = pipe:read('*a')
  pipe:close()
  return text
end

local function find_python()
  local home = os.getenv('HOME') or ''
  local peer = os.getenv('MOONLET_PEER') or home .. '/.cache/moonlet-peer'
  for _, python in ipairs({ peer .. '/bin/python3', 'python3' }) do
    local version = output_of(python .. ' -c "import torch; print(torch.__version__)"')
    if version ~= '' then return python, (version:gsub('%s+$', '')) end
  end
end

-- Lines of `name best median`, gathered over rounds: the best of bests, the median of medians. A
-- name of several words ends in a colon.
local function gather(into, text)
  for name, best, median in text:gmatch('([^\n]-):? (%d%S*) (%d%S*)\n') do
    local figures = into[name] or { best = math.huge, medians = {} }
    into[name] = figures
    figures.best = math.min(figures.best, tonumber(best))
    table.insert(figures.medians, tonumber(median))
    table.sort(figures.medians)
    figures.median = figures.medians[math.floor(#figures.medians / 2) + 1]
  end
end

--- commands: name -> command line. They take turns, so that a busy moment of the machine hits all.
local function in_turns(commands, order)
  local results = {}
  for _ = 1, rounds do
    for _, name in ipairs(order) do
      if commands[name] then
        results[name] = results[name] or {}
        gather(results[name], output_of(commands[name]))
      end
    end
  end
  return results
end

-- ---- rows ----

local rows = {}

local function figure(results, name, case)
  return results[name] and results[name][case]
end

--- target: the ratio wanted, ours being at least so many times faster than the peer.
local function compare(what, unit, ours, peer_name, peer, target)
  if not ours then return end
  local row = { what = what, unit = unit, ours = ours.best, ours_median = ours.median }
  if peer then
    row.peer_name, row.peer, row.peer_median = peer_name, peer.best, peer.median
    row.speedup, row.speedup_median = peer.best / ours.best, peer.median / ours.median
    if target then
      row.target = target.text
      row.met = target.test(row.speedup)
    end
  end
  rows[#rows + 1] = row
end

local function limit(what, unit, value, most, peer_name, peer)
  rows[#rows + 1] = {
    what = what, unit = unit, ours = value, peer_name = peer_name, peer = peer,
    speedup = peer and peer / value,
    target = most and ('< %g %s'):format(most, unit), met = most and value < most,
  }
end

local function faster(times)
  return { text = ('>= %gx faster'):format(times), test = function(s) return s >= times end }
end

local function fraction(of)
  return { text = ('<= %gx the time'):format(of), test = function(s) return 1 / s <= of end }
end

-- ---- the measurements ----

local python, torch_version = find_python()
if not python then
  print('no python3 with torch (scripts/setup --peer makes one): our figures only')
end

local function training()
  local commands = { ours = ('%s %smnist_step.lua %s 32 128'):format(moonlet, here, seconds) }
  local theirs = python and ('%s %smnist_step.py %s '):format(python, here, seconds)
  if python then
    commands.default = theirs .. 'default 32 128'
    commands.fused = theirs .. 'fused 32 128'
    commands.single = 'OMP_NUM_THREADS=1 ' .. commands.fused
  end
  local results = in_turns(commands, { 'default', 'ours', 'fused', 'single' })
  local targets = { ['32'] = faster(4), ['128'] = faster(2) }
  for _, batch in ipairs({ '32', '128' }) do
    local what, ours = 'MNIST step, batch ' .. batch, figure(results, 'ours', batch)
    compare(what, 'us', ours, 'PyTorch', figure(results, 'default', batch), targets[batch])
    if python then
      -- What its users can do about it: no target, but worth knowing.
      compare(what, 'us', ours, 'PyTorch, fused Adam', figure(results, 'fused', batch))
      compare(what, 'us', ours, 'the same, 1 thread', figure(results, 'single', batch))
    end
  end
end

local function better(a, b)
  if not a or not b then return a or b end
  return a.best < b.best and a or b
end

local function calls()
  local results = in_turns({
    ours = ('%s %scalls.lua %s'):format(moonlet, here, seconds),
    torch = python and ('%s %scalls.py %s'):format(python, here, seconds),
    onednn = ('%s/sgemm_direct onednn %s'):format(tools, seconds),
    openblas = ('%s/sgemm_direct openblas %s'):format(tools, seconds),
  }, { 'torch', 'ours', 'onednn', 'openblas' })
  local function row(what, unit, case, peer_name, peer, target)
    compare(what, unit, figure(results, 'ours', case), peer_name, peer, target)
  end
  row('add, 10 elements', 'ns', 'add', 'PyTorch', figure(results, 'torch', 'add'), fraction(0.35))
  row('add, gradient recorded', 'ns', 'add_grad', 'PyTorch', figure(results, 'torch', 'add_grad'),
    fraction(0.4))
  for _, case in ipairs({ 'mm_32x128x784', 'mm_256', 'mm_1024' }) do
    local onednn, openblas = figure(results, 'onednn', case), figure(results, 'openblas', case)
    local direct = better(onednn, openblas)
    local name = direct and (direct == onednn and 'oneDNN from C' or 'OpenBLAS from C')
    local what = 'torch.mm ' .. case:sub(4):gsub('^(%d+)$', '%1^3')
    row(what, 'ns', case, name, direct, case == 'mm_1024' and faster(0.95) or nil)
    if python then row(what, 'ns', case, 'PyTorch', figure(results, 'torch', case)) end
  end
end

-- A small network in use, frozen: from C and from LuaJIT, beside ONNX Runtime.
local function frozen()
  local file = os.tmpname()
  output_of(('%s %sfrozen.lua write %s'):format(moonlet, here, file))
  local results = in_turns({
    ours = ('%s %sfrozen.lua %s %s'):format(moonlet, here, file, seconds),
    c = ('%s/frozen %s %s'):format(tools, file, seconds),
    onnx = python and ('%s %sfrozen.py %s %s'):format(python, here, file, seconds),
  }, { 'onnx', 'ours', 'c' })
  os.remove(file)
  local from_c, from_lua = figure(results, 'c', 'c'), figure(results, 'ours', 'frozen')
  local peer = better(figure(results, 'onnx', 'run'), figure(results, 'onnx', 'bound'))
  if not from_c or not from_lua then return end
  local what = '64-64-4, frozen, 1 example'
  limit(what .. ', from C', 'us', from_c.best / 1e3, 3)
  limit(what .. ', from Lua', 'us', from_lua.best / 1e3, 4)
  compare(what .. ', from C', 'ns', from_c, 'ONNX Runtime', peer, faster(2))
  compare(what .. ', from Lua', 'ns', from_lua, 'ONNX Runtime', peer, faster(2))
  local model = figure(results, 'ours', 'model')
  compare(what .. ', from Lua', 'ns', from_lua, 'the model itself', model)
  local tail = figure(results, 'c', 'tail')
  limit('99.9th percentile / median', '', tail.best, 1.5)
end

local function spawn(runs, command)
  local best, median, peak = output_of(('%s/spawn %d %s'):format(tools, runs, command))
    :match('(%S+) (%S+) (%S+)')
  return tonumber(best), tonumber(median), tonumber(peak)
end

local function startup()
  local _, ours = spawn(101, moonlet .. " -e ''")
  local peer
  if python then _, peer = spawn(5, python .. " -c 'import torch'") end
  if ours then limit('start-up, median', 'ms', ours, 10, python and 'import torch', peer) end
  -- Opened from C with torch and nn; and what stays of 900 more when they are closed.
  local opened, _, _, grown = output_of(build .. '/states 1000'):match('(%S+) (%S+) (%S+) (%S+)')
  if opened then
    limit('a state with torch and nn, best', 'ms', tonumber(opened), 3)
    limit('900 states opened and closed, growth', 'MB', tonumber(grown) / 1000, 1)
  end
end

-- The whole main job, its checkpoint written where nothing else is.
local function memory()
  local checkpoint = os.tmpname()
  local command = ('%s scripts/train/mnist.lua -save %s -epochs '):format(moonlet, checkpoint)
  for _, epochs in ipairs({ 2, 100 }) do
    local _, _, peak = spawn(1, command .. epochs)
    if peak then
      limit(('peak memory, %d epochs'):format(epochs), 'MB', peak * 1024 / 1e6, 150)
    end
  end
  os.remove(checkpoint)
end

local function size_of(what, file, most)
  local stripped = os.tmpname()
  local bytes = output_of(('strip -o %s %s && wc -c < %s'):format(stripped, file, stripped))
  os.remove(stripped)
  if tonumber(bytes) then limit(what .. ', stripped', 'MB', tonumber(bytes) / 1e6, most) end
end

local function size()
  size_of('moonlet', moonlet, 3)
  size_of('embedded library', build .. '/embed/libmoonlet.so', 1.5)
end

-- Networks: each training step, and one example in use; and the most memory that some steps take.
local NETWORKS = {
  { 'lenet', 'LeNet, 64 digits' }, { 'resnet18_32', 'ResNet-18, 16 of 32x32' },
  { 'resnet18_224', 'ResNet-18, 4 of 224x224' }, { 'lstm', 'LSTM, 2 x 128, 50 x 50' },
  { 'gpt', 'GPT, 4 x 128, 16 x 128' },
}

local function absent(what)
  rows[#rows + 1] = { what = what .. ': absent' }
end

local function networks_memory(case, what)
  local _, _, ours = spawn(1, ('%s %snn.lua memory %s'):format(moonlet, here, case))
  local peer
  if python then _, _, peer = spawn(1, ('%s %snn.py memory %s'):format(python, here, case)) end
  if not ours then return end
  limit(what .. ', peak memory', 'MB', ours * 1024 / 1e6, peer and peer * 1024 / 1e6,
    python and 'PyTorch', peer and peer * 1024 / 1e6)
end

local function networks()
  local results = {}
  local short = tostring(math.min(tonumber(seconds), 0.5))
  for _, network in ipairs(NETWORKS) do -- one after the other: a round is short then
    local case = network[1]
    for name, figures in pairs(in_turns({
      torch = python and ('%s %snn.py %s %s'):format(python, here, short, case),
      ours = ('%s %snn.lua %s %s'):format(moonlet, here, short, case),
    }, { 'torch', 'ours' })) do
      results[name] = results[name] or {}
      for what, value in pairs(figures) do results[name][what] = value end
    end
  end
  for _, network in ipairs(NETWORKS) do
    local case, what = network[1], network[2]
    local train, use = case .. '_train', case .. '_use'
    if figure(results, 'ours', train) then
      compare(what .. ', step', 'ms', figure(results, 'ours', train), 'PyTorch',
        figure(results, 'torch', train), faster(case == 'lstm' and 2 or 1.2))
      compare(what .. ', 1 in use', 'ms', figure(results, 'ours', use), 'PyTorch',
        figure(results, 'torch', use), faster(1.5))
      compare(what .. ', 1 in use, frozen', 'ms', figure(results, 'ours', case .. '_frozen'),
        'PyTorch', figure(results, 'torch', use), faster(1.5))
      networks_memory(case, what)
    else
      absent(what)
    end
  end
end

-- ---- operations on tensors: a table of its own ----

local function unit_of(nanoseconds)
  if nanoseconds < 1e3 then return ('%.0f ns'):format(nanoseconds) end
  if nanoseconds < 1e6 then return ('%.3g us'):format(nanoseconds / 1e3) end
  return ('%.3g ms'):format(nanoseconds / 1e6)
end

-- What the table says as a whole.
local function judge(ratios)
  local sum, least, least_small = 0, math.huge, math.huge
  for _, row in ipairs(ratios) do
    sum = sum + math.log(row.speedup)
    least = math.min(least, row.speedup)
    if row.small then least_small = math.min(least_small, row.speedup) end
  end
  local function verdict(what, value, wanted)
    rows[#rows + 1] = {
      what = ('%s of %d operations'):format(what, #ratios), speedup = value,
      peer_name = 'PyTorch', target = ('>= %gx faster'):format(wanted), met = value >= wanted,
    }
  end
  verdict('geometric mean', math.exp(sum / #ratios), 1.3)
  verdict('slowest', least, 0.8)
  verdict('slowest call on little', least_small, 2)
end

local function tensors()
  -- Many short measurements: the whole table takes two minutes.
  local short = tostring(math.min(tonumber(seconds), 0.03))
  local results = in_turns({
    torch = python and ('%s %stensors.py %s'):format(python, here, short),
    ours = ('%s %stensors.lua %s'):format(moonlet, here, short),
  }, { 'torch', 'ours' })
  local ratios = {}
  local table_rows = { { 'operation', 'ours', 'PyTorch', 'faster', 'by medians' } }
  for _, row in ipairs(dofile(here .. 'rows.lua')(here .. 'tensors.rows')) do
    local ours, peer = figure(results, 'ours', row.name), figure(results, 'torch', row.name)
    local shown = { row.name, ours and unit_of(ours.best) or 'not there yet',
      peer and unit_of(peer.best) or '' }
    if ours and peer then
      row.speedup, row.ours, row.peer = peer.best / ours.best, ours.best, peer.best
      row.speedup_median = peer.median / ours.median
      ratios[#ratios + 1] = row
      shown[4], shown[5] = ('%.2fx'):format(row.speedup), ('%.2fx'):format(row.speedup_median)
    end
    table_rows[#table_rows + 1] = { shown[1], shown[2], shown[3], shown[4] or '', shown[5] or '' }
  end
  if #ratios > 0 then judge(ratios) end
  return table_rows, ratios
end

-- Predictions per second that nginx answers, while wrk asks on the same cores.
local function serving()
  local command = ('%s %snginx.lua %s %s %d'):format(moonlet, here, build, seconds, rounds)
  local output = output_of(command)
  local line = '([^\n:]+): (%S+) per second, (%d+) failed, (%S+) us'
  for name, rate, failed, took in output:gmatch(line) do
    rows[#rows + 1] = { what = 'nginx, ' .. name, unit = '1/s', ours = tonumber(rate),
      target = '>= 10000 1/s, none failed', met = tonumber(rate) >= 10000 and failed == '0' }
    limit('its processor time a digit', 'us', tonumber(took))
  end
  local most = tonumber(output:match('workers: (%S+) MB'))
  if most then limit('nginx, one worker\'s memory', 'MB', most) end
  if not most then print('no nginx (scripts/setup --embed brings it): not measured') end
end

local only = os.getenv('BENCH_ONLY') or ''
local function wanted(name) return only == '' or only == name end
local operations, ratios

if wanted('training') then training() end
if wanted('nn') then networks() end
if wanted('calls') then calls() end
if wanted('frozen') then frozen() end
if wanted('tensors') then operations, ratios = tensors() end
if wanted('startup') then startup() end
if wanted('memory') then memory() end
if wanted('size') then size() end
if wanted('nginx') then serving() end

-- ---- the report ----

local function number(value, unit)
  if not value then return '' end
  if unit == 'ns' and value >= 1e6 then value, unit = value / 1e6, 'ms' end
  if unit == 'ns' and value >= 1e4 then value, unit = value / 1e3, 'us' end
  return ('%.3g %s'):format(value, unit):gsub('^(%d+%.?%d*)e%+(%d+)', function()
    return ('%.0f'):format(value)
  end)
end

local cells = { { 'best of ' .. rounds .. ' rounds', 'ours', 'peer', '', 'faster', 'by medians',
  'target', 'met' } }
for _, row in ipairs(rows) do
  cells[#cells + 1] = {
    row.what, (number(row.ours, row.unit)), (number(row.peer, row.unit)), row.peer_name or '',
    row.speedup and ('%.2fx'):format(row.speedup) or '',
    row.speedup_median and ('%.2fx'):format(row.speedup_median) or '',
    row.target or '', row.met == nil and '' or row.met and 'yes' or 'NO',
  }
end

local processor = output_of("sed -n 's/^model name.*: //p' /proc/cpuinfo"):match('[^\n]*')
local cores = tonumber((output_of('nproc'))) or 0
print(('%s, %d cores; PyTorch %s'):format(processor, cores, torch_version or 'absent'))
if operations then
  show.print(operations)
  print()
end
show.print(cells)

local path = build .. '/bench.json'
local file = assert(io.open(path, 'w'))
file:write(show.json({
  processor = processor, cores = cores, pytorch = torch_version or 'absent',
  date = os.date('!%Y-%m-%d'), rows = rows, operations = ratios,
}))
file:close()
print('written: ' .. path)
