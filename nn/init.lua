--- Torch7-style modules and criterions. A class is loaded when its name is first used: nn.Linear
-- is nn/layers/Linear.lua, and so a new file needs no entry in any list but its folder's.
local torch = require 'torch'
local packages = require 'moonlet.packages'

local nn = {}
local FOLDERS = {'', 'layers.', 'transfer.', 'containers.', 'criterions.', 'tables.',
  'convolutions.', 'pooling.', 'normalization.', 'recurrent.', 'attention.', 'models.'}

-- The module that defines class `name`. Files in lower case are no classes.
local function module_of(name)
  if type(name) ~= 'string' or not name:match('^%u[%w_]*$') then return nil end
  for _, folder in ipairs(FOLDERS) do
    local module = 'nn.' .. folder .. name
    if packages.has(module) then return module end
  end
  return nil
end

local function load_class(tbl, name)
  local module = module_of(name)
  if not module then return nil end
  require(module) -- torch.class puts the class into `tbl`
  return rawget(tbl, name)
end

-- What can be completed at a prompt.
local function names()
  local found = {}
  for _, folder in ipairs(FOLDERS) do
    for _, module in ipairs(packages.list('nn.' .. folder)) do
      local name = module:match('%.(%u[%w_]*)$')
      if name then found[#found + 1] = name end
    end
  end
  return found
end

setmetatable(nn, {__index = load_class, __names = names})
torch.register_package('nn', nn)

-- The bases are there at once: programs derive their own classes from them by name.
require 'nn.Module'
require 'nn.Container'
require 'nn.Criterion'

return nn
