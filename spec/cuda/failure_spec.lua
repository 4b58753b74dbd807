-- What goes wrong with a GPU, in the emulation, which fails where it is asked to: each is one clear
-- error, and the host's tensors stay what they were.
local torch = require 'torch'
local program = require('spec.vm.program')

-- Without a driver there is nothing that could fail.
if not torch.cuda.is_available() or torch.cuda.get_device_name() ~= 'emulated on the CPU' then
  return
end

-- What `script` prints with these failures asked for; try(f, ...) prints true, or the error.
local function with(failures, script, environment)
  local file = program.script([[
    local torch = require 'torch'
    local function try(f, ...)
      local ok, message = pcall(f, ...)
      print(ok or message)
    end
  ]] .. script)
  local output, status = program.shell(('MOONLET_EMULATED=%s %s %s %s'):format(
    program.quote(failures), environment or '', program.path, file))
  os.remove(file)
  assert.are.equal(0, status, output)
  return output
end

local function says(output, text)
  assert.is_truthy(output:find(text, 1, true), output)
end

local EVERY_WAY = [[
  print(torch.cuda.is_available(), torch.cuda.device_count())
  try(function() torch.randn(2):cuda() end)
  try(function() torch.zeros(2, {device = 'cuda'}) end)
  try(torch.cuda.synchronize)
  try(torch.cuda.memory_stats)
  try(torch.cuda.Stream)
  try(torch.cuda.Event)
  try(torch.cuda.graph, function() end)
  try(torch.cuda.set_device, 1)
  try(function() torch.randn(3):pin_memory() end)
  print(('%d'):format(torch.ones(3):sum()))
]]

-- The same in every line but the first and the last.
local function all_say(output, text)
  local lines = {}
  for line in output:gmatch('[^\n]+') do lines[#lines + 1] = line end
  assert.are.equal(11, #lines, output)
  says(lines[1], 'false\t0\tcuda: ' .. text)
  for i = 2, 10 do says(lines[i], 'cuda: ' .. text) end
  assert.are.equal('3', lines[11])
end

describe('there is no GPU', function()
  it('without a driver', function()
    all_say(with('driver=0', EVERY_WAY),
      'no NVIDIA driver found (libcuda.so.1 could not be loaded)')
  end)

  it('with an old driver', function()
    all_say(with('driver=11020', EVERY_WAY),
      'the NVIDIA driver is too old: it supports CUDA 11.2, and 13.0 is needed')
  end)

  it('where they are hidden', function()
    all_say(with('devices=0', EVERY_WAY, 'CUDA_VISIBLE_DEVICES='),
      "no GPU found (CUDA_VISIBLE_DEVICES is '')")
  end)
end)

describe('with one GPU', function()
  it('there is no second', function()
    local output = with('devices=1', [[
      print(torch.cuda.device_count())
      try(function() torch.randn(2):cuda(2) end)
      try(torch.cuda.with_device, 2, print)
      print(('%d'):format(torch.add(torch.ones(3):cuda(), 1):cpu():sum()),
        torch.cuda.current_device())]])
    says(output, "no such device: 'cuda:1' (the last one is 'cuda:0')")
    says(output, '6\t1')
  end)
end)

describe('a GPU that fails for good', function()
  local WHY = 'cuda: the GPU has failed: an illegal memory access was encountered '
    .. '(cudaErrorIllegalAddress); its tensors are lost, and it cannot be used until the program '
    .. 'is started again'

  it('says so at every later call', function()
    local output = with('launch=9', [[
      local h = torch.ones(3)
      local x = torch.ones(3, {device = 'cuda'})
      local s, e = torch.cuda.Stream(), torch.cuda.Event()
      e:record()
      try(function() for i = 1, 20 do x:add(1) end end)
      try(function() return x:cpu() end)
      try(function() return x[1] end)
      try(function() return tostring(x) end)
      try(torch.randn, 3, {device = 'cuda'})
      try(h.cuda, h)
      try(torch.cuda.synchronize)
      try(torch.cuda.synchronize, 2)
      try(torch.cuda.empty_cache)
      try(s.synchronize, s)
      try(e.synchronize, e)
      try(e.record, e)
      try(torch.cuda.Stream)
      try(torch.cuda.graph, function() x:add(1) end)
      print(('%d'):format(torch.add(h, 1):sum()))
      x, s, e = nil, nil, nil
      collectgarbage() collectgarbage()
      print('the end')]])
    local n = 0
    for line in output:gmatch('[^\n]+') do
      if line:find(WHY, 1, true) then n = n + 1 end
    end
    assert.are.equal(14, n, output)
    says(output, '6\nthe end')
  end)

  it('ends a capture, and lets graphs go', function()
    local output = with('launch=12', [[
      local x = torch.ones(3, {device = 'cuda'})
      local g = torch.cuda.graph(function() x:add(1) end)
      try(function() for i = 1, 20 do g() end end)
      try(function() g() end)
      try(torch.cuda.graph, function() x:add(1) end)
      g, x = nil, nil
      collectgarbage() collectgarbage()
      print('the end')]])
    says(output, WHY)
    says(output, 'the end')
  end)
end)

describe('an index that only the GPU sees', function()
  -- By the CPU, then, which looks itself.
  local function missing()
    local x, i = torch.randn(4, 3):cuda(), torch.LongTensor { 1, 2 }:cuda()
    local function detours()
      local n = 0
      for _, times in pairs(torch.cuda.detours()) do n = n + times end
      return n
    end
    local before = detours()
    torch.index_select(x, 1, i)
    return detours() > before
  end

  it('is told with the name of the operation, and all is usable afterwards', function()
    if not torch.index_select or missing() then return end
    local output = with('', [[
      local x, i = torch.randn(4, 3):cuda(), torch.LongTensor {1, 9}:cuda()
      local y = torch.index_select(x, 1, i)
      try(torch.cuda.synchronize)
      try(torch.cuda.synchronize)
      torch.index_select(x, 1, i)
      try(function() return x[1][1] end)
      torch.index_select(x, 1, i)
      try(function() return y:cpu() end)
      print(('%d'):format(torch.add(torch.ones(3):cuda(), 1):cpu():sum()))]])
    local n = 0
    for line in output:gmatch('[^\n]+') do
      if line:find('the index 8 (counted from 0) is out of range for 4', 1, true) then
        n = n + 1
      end
    end
    assert.are.equal(3, n, output)
    says(output, 'true')
    says(output, '6')
  end)
end)
