--- Torch7-style modules and criterions. A class is loaded when its name is first used: nn.Linear
-- is nn/layers/Linear.lua, and so a new file needs no entry in any list but its folder's.
local torch = require 'torch'
local packages = require 'moonlet.packages'

local nn = {}
local FOLDERS = {'', 'layers.', 'transfer.', 'containers.', 'criterions.', 'tables.',
  'convolutions.', 'pooling.', 'normalization.', 'recurrent.', 'attention.', 'models.'}

-- Tables of functions, and functions: the module that gives each.
local LIBRARIES = {utils = 'nn.utils', init = 'nn.initializers', hessian = 'nn.hessian',
  test = 'nn.selftest', testTHNN = 'nn.thnn.selftest', tables = 'nn.convolutions.tables'}

-- PyTorch's names of classes that differ in nothing but capitals, as files had better not.
local ALIASES = {Hardshrink = 'HardShrink', Hardtanh = 'HardTanh', Softplus = 'SoftPlus',
  Softshrink = 'SoftShrink', Softsign = 'SoftSign', Tanhshrink = 'TanhShrink'}

-- The module that defines `name`. Files in lower case are no classes.
local function module_of(name)
  if LIBRARIES[name] then return packages.has(LIBRARIES[name]) and LIBRARIES[name] end
  if type(name) ~= 'string' or not name:match('^%u[%w_]*$') then return nil end
  for _, folder in ipairs(FOLDERS) do
    local module = 'nn.' .. folder .. name
    if packages.has(module) then return module end
  end
  return nil
end

local function load_name(tbl, name)
  if ALIASES[name] then return tbl[ALIASES[name]] end
  local module = module_of(name)
  if not module then return nil end
  local library = require(module) -- torch.class puts a class into `tbl`
  if rawget(tbl, name) == nil then rawset(tbl, name, library) end
  return rawget(tbl, name)
end

-- What can be completed at a prompt.
local function names()
  local found = {}
  for name in pairs(LIBRARIES) do
    if module_of(name) then found[#found + 1] = name end
  end
  for _, folder in ipairs(FOLDERS) do
    for _, module in ipairs(packages.list('nn.' .. folder)) do
      local name = module:match('%.(%u[%w_]*)$')
      if name then found[#found + 1] = name end
    end
  end
  return found
end

setmetatable(nn, {__index = load_name, __names = names})

-- Old modules find Torch7's kernels at their tensors: input.THNN.Tanh_updateOutput(...).
local kernels = setmetatable({}, {__index = function(_, name)
  return nn.THNN.kernels['torch.FloatTensor'][name]
end})
torch.register_member('THNN', kernels,
  {float32 = true, float64 = true, float16 = true, bfloat16 = true})
torch.register_package('nn', nn)

-- Files name the classes of Torch7's cudnn, which are nn's with other names.
if packages.has('cudnn.classes') then
  torch.register_package('cudnn', setmetatable({}, {__index = function(_, name)
    return require('cudnn.classes')[name] -- which takes this table's place
  end}))
end

-- The bases are there at once: programs derive their own classes from them by name.
require 'nn.Module'
require 'nn.Container'
require 'nn.Criterion'

return nn
