--- cudnn.convert(net, cudnn) and back, cudnn.convert(net, nn).
local torch = require 'torch'
local nn = require 'nn'
local cudnn = require 'cudnn.classes'
local run = require 'nn.run'

-- Classes that are the same on both sides but for their names.
local CONVERTIBLE = {}
for name in ([[SpatialConvolution SpatialFullConvolution VolumetricConvolution
    VolumetricFullConvolution SpatialMaxPooling SpatialAveragePooling VolumetricMaxPooling
    VolumetricAveragePooling ReLU Tanh Sigmoid SoftMax LogSoftMax SpatialSoftMax SpatialLogSoftMax
    BatchNormalization SpatialBatchNormalization VolumetricBatchNormalization
    SpatialCrossMapLRN]]):gmatch('%S+') do
  CONVERTIBLE[name] = true
end

-- A module of another class with the same fields, and so with the same tensors.
local function changed(module, name)
  run.forget(module)
  local new = torch.factory(name)()
  for key in next, new do new[key] = nil end
  for key, value in next, module do rawset(new, key, value) end
  return new
end

--- dst: the table cudnn or nn. exclude(module): true for modules to leave as they are. Others are
-- replaced in the net, which is returned; parameters stay the tensors that they were.
return function(net, dst, exclude)
  if dst ~= cudnn and dst ~= nn then
    error('cudnn.convert: the table cudnn or nn expected as what to convert to', 2)
  end
  local from, to = 'nn', 'cudnn'
  if dst == nn then from, to = to, from end
  local done = {} -- a module may have several places
  return net:replace(function(module)
    if done[module] then return done[module] end
    local package, name = (torch.typename(module) or ''):match('^(%w+)%.(%w+)$')
    local stays = package ~= from or not CONVERTIBLE[name] or exclude and exclude(module)
    if stays then return module end
    done[module] = changed(module, to .. '.' .. name)
    return done[module]
  end)
end
