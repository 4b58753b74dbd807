--- Torch7's package cudnn: its layers are nn's by other names, since nn uses cuDNN by itself. As
-- cutorch it needs a GPU; files with its classes can be read without one, see cudnn.classes.
local cutorch = require 'cutorch'
require 'nn'
local cudnn = require 'cudnn.classes'
local cuda = require('torch').cuda

-- Switches that programs set: these are torch.cuda.cudnn's, and the others are for show.
local SWITCHES = {benchmark = 'benchmark', fastest = 'benchmark', deterministic = 'deterministic',
  enabled = 'enabled'}
local metatable = getmetatable(cudnn)
local class_of = metatable.__index

function metatable.__index(tbl, name)
  if SWITCHES[name] then return cuda.cudnn()[SWITCHES[name]] end
  return class_of(tbl, name)
end

function metatable.__newindex(tbl, name, value)
  if SWITCHES[name] then cuda.cudnn {[SWITCHES[name]] = value and true or false}
  else rawset(tbl, name, value) end
end

cudnn.verbose, cudnn.force_convert, cudnn.useTensorCores = false, false, true
cudnn.version = cuda.cudnn_version and cuda.cudnn_version() or 9000
cudnn.numHandles = 1
cudnn.convert = require 'cudnn.convert'

function cudnn.setDeterministic(value) cudnn.deterministic = value ~= false end
function cudnn.getHandle()
  error('cudnn.getHandle: cuDNN is used by the GPU plug-in, which gives no handle away', 2)
end
function cudnn.configmap() return cudnn.fastest and 'fastest' or 'default' end

cudnn.functional = setmetatable({}, {__index = function(_, name)
  error(('cudnn.functional.%s is not here: torch.conv2d, torch.relu and the like are, for tensors '
    .. 'of a GPU as of the CPU'):format(tostring(name)), 2)
end})

cutorch.synchronize()

return cudnn
