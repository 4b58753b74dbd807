-- Torch7's packages cutorch, cunn and cudnn: what programs of old find there.
local torch = require 'torch'
local program = require 'spec.vm.program'
local cuda = torch.cuda

local available = cuda.is_available()
local folder = os.getenv('MOONLET_CUDA')

local function run(arguments, where)
  where = where or folder
  return program.shell(('%s%s/%s'):format(where and 'MOONLET_CUDA=' .. program.quote(where) ..
    ' ' or '',
    program.build, arguments))
end

local function train(gpus, where)
  local file = os.tmpname()
  local text, status = run(('th spec/cuda/old_script.lua -gpuid %d -save %s'):format(gpus, file),
    where)
  return text, status, file
end

describe('without a GPU', function()
  local nowhere = '/nonexistent'
  it('the packages say why they cannot be had', function()
    for _, name in ipairs { 'cutorch', 'cunn', 'cudnn' } do
      local text = run(('moonlet -e "print(pcall(require, %s), %s)"'):format("'" .. name .. "'",
        name), nowhere)
      assert.is_truthy(text:find('false', 1, true), text)
      text = run(('moonlet -e "require %s"'):format("'" .. name .. "'"), nowhere)
      assert.is_truthy(text:find('cutorch: no GPU can be used here: cuda: ', 1, true), text)
    end
  end)

  it('an old program goes on on the CPU', function()
    local text, status, file = train(0, nowhere)
    os.remove(file)
    assert.equal(0, status, text)
    assert.is_truthy(text:find('Falling back on CPU mode', 1, true), text)
    assert.is_truthy(text:find('done on CPU', 1, true), text)
  end)
end)

if not available then return end

local cutorch = require 'cutorch'
local nn = require 'nn'
require 'cunn'
local cudnn = require 'cudnn'

local function draw(...) return torch.FloatTensor(...):uniform(-1, 1) end
local function near(a, b, what)
  assert.is_true(torch.dist(a:float(), b:float()) <= 1e-4 * math.max(1,
    torch.abs(b:float()):max()), what)
end

describe('cutorch', function()
  it('has all the names', function()
    for name in ([[setDevice getDevice getDeviceCount getDeviceProperties getMemoryUsage synchronize
        synchronizeAll withDevice seed seedAll manualSeed manualSeedAll initialSeed getRNGState
        setRNGState reserveStreams getNumStreams setStream getStream setDefaultStream streamWaitFor
        streamBarrier streamWaitForMultiDevice streamBarrierMultiDevice streamSynchronize
        reserveBlasHandles setBlasHandle getNumBlasHandles getBlasHandle getState setHeapTracking
        setPeerToPeerAccess getPeerToPeerAccess setKernelPeerToPeerAccess getKernelPeerToPeerAccess
        hasHalfInstructions hasFastHalfInstructions createCudaHostTensor createCudaHostFloatTensor
        createCudaHostDoubleTensor createCudaHostIntTensor createCudaHostLongTensor
        createCudaHostByteTensor createCudaHostHalfTensor createCudaUVATensor toFloatUVATensor
        isManaged isManagedPtr isCachingAllocatorEnabled getRuntimeVersion getDriverVersion
        deviceReset Event test _sleep]]):gmatch('%S+') do
      assert.is_function(cutorch[name], name)
    end
    assert.is_true(cutorch.hasHalf)
  end)

  it('numbers devices from 1', function()
    assert.equal(cuda.device_count(), cutorch.getDeviceCount())
    assert.equal(1, cutorch.getDevice())
    cutorch.setDevice(1)
    for _, wrong in ipairs { 0, 99, 1.5, 'one' } do
      local ok, message = pcall(cutorch.setDevice, wrong)
      assert.is_false(ok)
      assert.is_truthy(message:find('the number of a GPU', 1, true))
    end
    assert.equal(7, cutorch.withDevice(1, function(x) return x + 1 end, 6))
    assert.has_error(function() cutorch.withDevice(1, function() error('x') end) end)
    if cutorch.getDeviceCount() > 1 and cuda.set_device then
      cutorch.withDevice(2, function()
        assert.equal(2, cutorch.getDevice())
        assert.equal(2, torch.CudaTensor(3):getDevice())
      end)
      assert.equal(1, torch.CudaTensor(3):getDevice())
    end
  end)

  it('tells of memory and devices', function()
    cutorch.synchronize()
    cutorch.synchronizeAll()
    if cuda.mem_get_info then
      local free, total = cutorch.getMemoryUsage(1)
      assert.is_true(free > 0 and free <= total)
    end
    if cuda.get_device_properties then
      local p = cutorch.getDeviceProperties(1)
      assert.is_string(p.name)
      assert.is_number(p.totalGlobalMem)
      assert.is_number(p.major)
    end
    assert.is_true(cutorch.getPeerToPeerAccess(1, 1))
    assert.has_error(function() cutorch.createCudaUVATensor(3) end)
    assert.equal('torch.FloatTensor', cutorch.createCudaHostTensor(3):type())
    cutorch.deviceReset()
  end)

  it('seeds', function()
    cutorch.manualSeed(5)
    local state = cutorch.getRNGState()
    local x = torch.CudaTensor(5):uniform()
    cutorch.setRNGState(state)
    near(torch.CudaTensor(5):uniform(), x)
    cutorch.manualSeedAll(5)
    near(torch.CudaTensor(5):uniform(), x)
    assert.equal(5, cutorch.initialSeed())
    assert.is_number(cutorch.seed())
    assert.is_number(cutorch.seedAll())
  end)

  it('has streams by number', function()
    assert.equal(0, cutorch.getStream())
    cutorch.reserveStreams(2)
    assert.equal(2, cutorch.getNumStreams())
    local x = draw(100):cuda()
    cutorch.setStream(1)
    assert.equal(1, cutorch.getStream())
    cutorch.streamWaitFor(1, { 0 })
    local y = torch.exp(x)
    cutorch.setStream(2)
    cutorch.streamWaitFor(2, { 1 })
    local z = torch.log(y)
    cutorch.streamBarrier { 1, 2 }
    cutorch.setDefaultStream()
    cutorch.streamWaitForMultiDevice(1, 0, { [1] = { 1, 2 } })
    cutorch.streamBarrierMultiDevice { [1] = { 0, 1, 2 } }
    cutorch.streamSynchronize(2)
    near(z, x)
    assert.has_error(function() cutorch.setStream(3) end)
    assert.has_error(function() cutorch.streamWaitFor(1, { 9 }) end)
    local event = cutorch.Event()
    event:waitOn()
    event:synchronize()
    cutorch.reserveBlasHandles(2)
    cutorch.setBlasHandle(2)
    assert.equal(2, cutorch.getBlasHandle())
    cutorch.setBlasHandle(1)
    near(torch.CudaTensor(3):zero():copyAsync(torch.ones(3)), torch.ones(3))
  end)
end)

describe('cudnn', function()
  it('has switches that convolutions follow', function()
    cudnn.benchmark = true
    assert.is_true(torch.cuda.cudnn().benchmark)
    assert.is_true(cudnn.fastest)
    cudnn.fastest = false
    assert.is_false(cudnn.benchmark)
    cudnn.setDeterministic(true)
    assert.is_true(torch.cuda.cudnn().deterministic)
    cudnn.setDeterministic(false)
    cudnn.enabled = false
    assert.is_false(torch.cuda.cudnn().enabled)
    cudnn.enabled = true
    cudnn.verbose = true -- for show
    assert.is_true(cudnn.verbose)
  end)

  it('has layers by its names', function()
    for name in ([[SpatialConvolution SpatialFullConvolution VolumetricConvolution
        VolumetricFullConvolution TemporalConvolution SpatialMaxPooling SpatialAveragePooling
        VolumetricMaxPooling VolumetricAveragePooling ReLU Tanh Sigmoid ClippedReLU SoftMax
        LogSoftMax SpatialSoftMax SpatialLogSoftMax VolumetricSoftMax VolumetricLogSoftMax
        BatchNormalization SpatialBatchNormalization VolumetricBatchNormalization SpatialCrossMapLRN
        SpatialDivisiveNormalization SpatialCrossEntropyCriterion VolumetricCrossEntropyCriterion
        RNN RNNReLU RNNTanh LSTM GRU BLSTM BGRU]]):gmatch('%S+') do
      assert.is_not_nil(cudnn[name], name)
      assert.equal('cudnn.' .. name, tostring(cudnn[name]))
    end
    for _, name in ipairs { 'benchmark', 'fastest',
      'verbose' } do assert.is_boolean(cudnn[name]) end
    assert.is_number(cudnn.version)
    cudnn.setDeterministic(true)
    assert.has_error(function() cudnn.functional.relu() end)
    assert.has_error(function() cudnn.getHandle() end)
    assert.is_nil(cudnn.NoSuchLayer)
  end)

  it('groups channels', function()
    local layer = cudnn.SpatialConvolution(4, 6, 3, 3, 1, 1, 1, 1, 2)
    assert.same({ 6, 2, 3, 3 }, layer.weight:size():totable())
    local x = draw(2, 4, 5, 5)
    local y = layer:forward(x):clone()
    for g = 0, 1 do
      local part = nn.SpatialConvolution(2, 3, 3, 3, 1, 1, 1, 1)
      part.weight:copy(layer.weight:narrow(1, 3 * g + 1, 3))
      part.bias:copy(layer.bias:narrow(1, 3 * g + 1, 3))
      near(y:narrow(2, 3 * g + 1, 3), part:forward(x:narrow(2, 2 * g + 1, 2)))
    end
    layer:cuda()
    layer:setMode(1, 1, 1)
    layer:fastest():resetWeightDescriptors()
    near(layer:forward(x:cuda()), y)
    layer:backward(x:cuda(), y:cuda())
    assert.equal('torch.CudaTensor', layer.gradWeight:type())
    assert.has_error(function() cudnn.SpatialConvolution(4, 6, 3, 3, 1, 1, 1, 1, 3) end)
  end)

  it('convolves sequences', function()
    local layer, plain = cudnn.TemporalConvolution(4, 6, 3, 2, 1), nn.TemporalConvolution(4, 6, 3,
      2)
    plain.weight:copy(layer.weight)
    plain.bias:copy(layer.bias)
    local x = draw(2, 7, 4)
    local padded = torch.cat({ torch.zeros(2, 1, 4), x, torch.zeros(2, 1, 4) }, 2)
    near(layer:forward(x), plain:forward(padded))
    near(layer:cuda():forward(x:cuda()), plain.output)
    near(layer:forward(x[1]:cuda()), plain.output[1])
  end)

  it('clips, normalises and measures', function()
    near(cudnn.ClippedReLU(2):forward(torch.Tensor { -1, 1, 5 }), torch.Tensor { 0, 1, 2 })
    local x = draw(2, 3, 2, 4, 4)
    near(cudnn.VolumetricSoftMax():forward(x:cuda()):sum(2), torch.ones(2, 1, 2, 4, 4))
    near(cudnn.VolumetricLogSoftMax():forward(x[1]):exp():sum(1), torch.ones(1, 2, 4, 4))
    local scores, target = draw(2, 3, 4, 4), torch.LongTensor(2, 4, 4):fill(2)
    local expected = nn.CrossEntropyCriterion():forward(scores, target)
    local got = cudnn.SpatialCrossEntropyCriterion():cuda():forward(scores:cuda(), target:cuda())
    assert.is_true(math.abs(got - expected) < 1e-5)
  end)

  it('has recurrent layers that remember', function()
    for name, width in pairs { RNN = 5, RNNReLU = 5, RNNTanh = 5, LSTM = 5, GRU = 5, BLSTM = 10,
      BGRU = 10 } do
      local layer = cudnn[name](4, 5, 2, true)
      local x = draw(3, 6, 4)
      local y = layer:forward(x):clone()
      assert.same({ 3, 6, width }, y:size():totable())
      layer:cuda()
      near(layer:forward(x:cuda()), y, name)
      near(layer:backward(x:cuda(), y:cuda()):clone():fill(0), x:clone():fill(0))
      assert.equal('cuda:0', layer.hiddenOutput.device)
    end
    local layer = cudnn.LSTM(4, 5, 1, true, 0, true):cuda()
    local x = draw(3, 6, 4):cuda()
    local y = layer:forward(x):clone()
    layer:resetStates()
    local a = layer:forward(x:narrow(2, 1, 2)):clone()
    near(torch.cat({ a, layer:forward(x:narrow(2, 3, 4)) }, 2), y)
    layer:resetStates()
    layer.hiddenInput, layer.cellInput = nil, torch.CudaTensor(1, 3, 5):fill(1)
    assert.is_true(torch.dist(layer:forward(x), y) > 1e-3)
  end)

  it('converts nets there and back', function()
    local shared = nn.ReLU()
    local net = nn.Sequential():add(nn.SpatialConvolution(2, 3, 3, 3)):add(shared)
      :add(nn.ConcatTable():add(nn.SpatialMaxPooling(2, 2)):add(nn.SpatialAveragePooling(2, 2, 2,
        2)))
      :add(nn.CAddTable()):add(shared):add(nn.SpatialBatchNormalization(3)):add(nn.Tanh())
    net:evaluate()
    net:cuda()
    local x = draw(2, 2, 8, 8):cuda()
    local y = net:forward(x):clone()
    local weight = net:get(1).weight
    cudnn.convert(net, cudnn, function(m) return torch.type(m) == 'nn.Tanh' end)
    assert.equal('cudnn.SpatialConvolution', torch.type(net:get(1)))
    assert.equal('cudnn.SpatialMaxPooling', torch.type(net:get(3):get(1)))
    assert.equal('nn.Tanh', torch.type(net:get(7)))
    assert.is_true(net:get(1).weight == weight)
    assert.is_true(net:get(2) == net:get(5))
    near(net:forward(x), y)
    local copy = torch.deserialize(torch.serialize(net), { device = 'cpu' })
    assert.equal('torch.FloatTensor', copy:type())
    near(copy:forward(x:float()), y)
    cudnn.convert(net, nn)
    assert.equal('nn.SpatialConvolution', torch.type(net:get(1)))
    near(net:forward(x), y)
    assert.has_error(function() cudnn.convert(net, {}) end)
  end)

  it('converts graphs', function()
    require 'nngraph'
    local input = nn.Identity()()
    local h = nn.ReLU()(nn.SpatialConvolution(2, 3, 3, 3)(input))
    local net = nn.gModule({ input }, { nn.CAddTable()({ h, nn.Sigmoid()(h) }) }):cuda()
    local x = draw(2, 2, 5, 5):cuda()
    local y = net:forward(x):clone()
    net = cudnn.convert(net, cudnn)
    near(net:forward(x), y)
    assert.equal(1, #net:findModules('cudnn.SpatialConvolution'))
  end)
end)

describe('cunn', function()
  it('has a test', function()
    local text, status = run('moonlet -e "require \'cunn\' nn.testcuda() cutorch.test()"')
    assert.equal(0, status, text)
    assert.is_truthy(text:find('0 failures and 0 errors', 1, true), text)
  end)

  it('DataParallelTable shares the batch out', function()
    local net = nn.Sequential():add(nn.Linear(4, 5)):add(nn.BatchNormalization(5)):add(nn.Tanh())
      :add(nn.ConcatTable():add(nn.Linear(5, 2)):add(nn.Identity()))
    net:evaluate() -- each part of the batch would have its own mean
    local x = draw(5, 4)
    local function gradients(model, input)
      model:zeroGradParameters()
      local y = model:forward(input)
      local dy = { y[1]:clone():fill(1), y[2]:clone():fill(0.5) }
      local dx = model:backward(input, dy)
      local _, grads = model:parameters()
      return y, dx, grads
    end
    local y, dx, grads = gradients(net, x)
    local lists = { { 1 } }
    if cutorch.getDeviceCount() > 1 then lists[2] = { 1, 2 } end
    for _, list in ipairs(lists) do
      local model = nn.DataParallelTable(1):add(net:clone(), list):cuda()
      model:threads(function() end):syncParameters()
      for _ = 1, 2 do
        local there, back, others = gradients(model, x:cuda())
        near(there[1], y[1])
        near(there[2], y[2])
        near(back, dx)
        assert.equal(#grads, #others)
        for k in ipairs(grads) do near(others[k], grads[k]) end
      end
      local copy = torch.deserialize(torch.serialize(model))
      near(copy:forward(x:cuda())[1], y[1])
    end
    assert.has_error(function() nn.DataParallelTable(1):add(net, { 99 }) end)
    assert.has_error(function() nn.DataParallelTable('one') end)
  end)

  it('GPU puts modules on devices', function()
    local model = nn.Sequential():add(nn.GPU(nn.Linear(4, 5), 1, 1)):cuda()
    assert.equal('cuda:0', model:forward(draw(2, 4):cuda()).device)
  end)
end)

describe('a program of 2015', function()
  it('trains, saves and goes on, and its file works without a GPU', function()
    local text, status, file = train(0)
    assert.equal(0, status, text)
    assert.is_truthy(text:find('using CUDA on GPU 0', 1, true), text)
    assert.is_truthy(text:find('done on GPU', 1, true), text)
    text, status =
      program.shell(('MOONLET_CUDA=/nonexistent %s/moonlet -e %s'):format(program.build,
      program.quote(([[require 'nn'
        local m = torch.load('%s').model
        io.write(m:type(), ' ', torch.type(m:get(1)), ' ',
          m:forward(torch.FloatTensor(2, 1, 8, 8):uniform()):type())]]):format(file))))
    os.remove(file)
    assert.equal(0, status, text)
    assert.equal('torch.FloatTensor cudnn.SpatialConvolution torch.FloatTensor', (text:gsub('%s+$',
      '')))
  end)
end)
