--- Optimizers, in two forms: Torch7's functions, optim.sgd(opfunc, x, config), and objects,
-- optim.SGD(model:parameters(), {lr = 0.1}), with step and zero_grad. Each is loaded when its name
-- is first used, both forms from one file.
local torch = require 'torch'
local packages = require 'moonlet.packages'

local optim = {}

-- Names whose file is not called like them.
local FILES = {clip_grad_norm_ = 'clip_grad', clip_grad_value_ = 'clip_grad'}

local function load_optimizer(tbl, name)
  if type(name) ~= 'string' or not name:match('^%a[%w_]*$') then return nil end
  local module = 'optim.' .. (FILES[name] or name:lower())
  if not packages.has(module) then return nil end
  for key, value in pairs(require(module)) do rawset(tbl, key, value) end
  return rawget(tbl, name)
end

-- What can be completed at a prompt.
local function names(tbl)
  local found = {}
  for _, module in ipairs(packages.list('optim.')) do
    for key in pairs(require(module)) do found[#found + 1] = key end
  end
  for key in pairs(tbl) do found[#found + 1] = key end
  return found
end

setmetatable(optim, {__index = load_optimizer, __names = names})
torch.register_package('optim', optim)

return optim
