-- luacheck: globals cutorch cunn cudnn
-- A program as they were written in 2015, for cutorch_spec: run with `th`, it trains a small
-- network on a GPU where there is one, saves it and goes on from the file.
require 'torch'
require 'nn'
require 'optim'

local cmd = torch.CmdLine()
cmd:option('-seed', 1, 'fixed input seed')
cmd:option('-gpuid', 0, 'which gpu to use. -1 = use CPU')
cmd:option('-save', '/tmp/old_model.t7', 'where the model goes')
cmd:option('-steps', 30, 'number of steps')
local opt = cmd:parse(arg or {})

torch.manualSeed(opt.seed)
torch.setdefaulttensortype('torch.FloatTensor')

if opt.gpuid >= 0 then
  local ok = pcall(require, 'cunn')
  local ok2, cutorch = pcall(require, 'cutorch')
  if not ok then print('package cunn not found!') end
  if not ok2 then print('package cutorch not found!') end
  if ok and ok2 then
    require 'cudnn'
    cudnn.benchmark = true
    cudnn.fastest = true
    cutorch.setDevice(opt.gpuid + 1) -- note +1 to make it 0 indexed! sigh lua
    cutorch.manualSeed(opt.seed)
    print('using CUDA on GPU ' .. opt.gpuid)
  else
    print('Falling back on CPU mode')
    opt.gpuid = -1
  end
end
local on_gpu = opt.gpuid >= 0

-- bright squares, left or right
local function batch(n)
  local images, labels = torch.Tensor(n, 1, 8, 8):uniform(0, 0.3), torch.Tensor(n)
  for i = 1, n do
    labels[i] = torch.random(1, 2)
    images[i][1]:narrow(2, labels[i] == 1 and 1 or 5, 4):add(0.7)
  end
  return images, labels
end

local net = nn.Sequential()
net:add(nn.SpatialConvolution(1, 4, 3, 3, 1, 1, 1, 1))
net:add(nn.SpatialBatchNormalization(4))
net:add(nn.ReLU(true))
net:add(nn.SpatialMaxPooling(2, 2, 2, 2))
net:add(nn.View(4 * 4 * 4):setNumInputDims(3))
net:add(nn.Dropout(0.1))
net:add(nn.Linear(64, 2))
net:add(nn.LogSoftMax())
local criterion = nn.ClassNLLCriterion()

if on_gpu then
  net = net:cuda()
  criterion = criterion:cuda()
  cudnn.convert(net, cudnn)
  assert(torch.type(net:get(1)) == 'cudnn.SpatialConvolution')
end

local params, grads = net:getParameters()
assert(params:type() == (on_gpu and 'torch.CudaTensor' or 'torch.FloatTensor'))

local inputs, targets
if on_gpu then inputs, targets = torch.CudaTensor(), torch.CudaTensor() end

local state = {learningRate = 0.05, momentum = 0.9, weightDecay = 1e-4}
local first, last
local timer = torch.Timer()
for _ = 1, opt.steps do
  local x, y = batch(16)
  if on_gpu then
    inputs:resize(x:size()):copy(x)
    targets:resize(y:size()):copy(y)
    x, y = inputs, targets
  end
  local feval = function(p)
    if p ~= params then params:copy(p) end
    grads:zero()
    local out = net:forward(x)
    local loss = criterion:forward(out, y)
    net:backward(x, criterion:backward(out, y))
    return loss, grads
  end
  local _, fs = optim.sgd(feval, params, state)
  first, last = first or fs[1], fs[1]
  if on_gpu then cutorch.synchronize() end
end
print(('%d steps, loss %.3f to %.3f'):format(opt.steps, first, last), timer:time().real >= 0)
assert(last < first / 2)

-- A light copy for the file, in the CPU's memory, and the model as it is.
local light = net:clone('weight', 'bias', 'running_mean', 'running_var'):clearState()
if on_gpu then light = cudnn.convert(light, nn):float() end
torch.save(opt.save, {model = net:clearState(), light = light, opt = opt, state = state})

local saved = torch.load(opt.save)
saved.model:evaluate()
saved.light:evaluate()
local x, y = batch(64)
local scores = saved.model:forward(on_gpu and x:cuda() or x)
local confusion = optim.ConfusionMatrix({'left', 'right'})
confusion:batchAdd(scores, on_gpu and y:cuda() or y)
confusion:updateValids()
print('accuracy', confusion.totalValid)
assert(confusion.totalValid > 0.9)
assert(torch.dist(saved.light:forward(x), scores:float()) < 1e-3)
assert(saved.state.dfdx:type() == params:type())
print('done on ' .. (on_gpu and 'GPU' or 'CPU'))
