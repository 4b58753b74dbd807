--- Base of the modules that hold others, in the list `modules`.
local torch = require 'torch'
local run = require 'nn.run'
require 'nn.Module'

local Container, Module = torch.class('nn.Container', 'nn.Module')

function Container:__new()
  Module.__new(self)
  self.modules = {}
end

local function check_module(self, module)
  if not torch.isTypeOf(module, 'nn.Module') then
    error(('%s: a module expected, got %s'):format(torch.type(self), torch.type(module)), 3)
  end
  run.adopt(module)
end

--- Puts a module at the end. Returns the container.
function Container:add(module)
  check_module(self, module)
  table.insert(self.modules, module)
  return self
end

--- Puts a module at a place, 1 to size() + 1; the others move on.
function Container:insert(module, index)
  check_module(self, module)
  index = index or #self.modules + 1
  if index % 1 ~= 0 or index < 1 or index > #self.modules + 1 then
    error(('%s: a place from 1 to %d expected, got %s'):format(torch.type(self),
      #self.modules + 1, tostring(index)), 2)
  end
  table.insert(self.modules, index, module)
  return self
end

--- Takes a module out, the last one by default, and returns it.
function Container:remove(index)
  index = index or #self.modules
  if not self.modules[index] then
    error(('%s: it has %d modules, there is no %s'):format(torch.type(self), #self.modules,
      tostring(index)), 2)
  end
  return table.remove(self.modules, index)
end

--- The module at a place; -1 is the last.
function Container:get(index)
  if type(index) == 'number' and index < 0 then index = index + #self.modules + 1 end
  return self.modules[index]
end

function Container:size()
  return #self.modules
end

function Container:__len__()
  return #self.modules
end

function Container:applyToModules(fn)
  for _, module in ipairs(self.modules) do fn(module) end
end

--- Calls a method of a module; containers written for Torch7 do it this way. Errors name the way
-- through the modules by themselves.
function Container:rethrowErrors(module, _, method, ...)
  return module[method](module, ...)
end

--- The lines of a listing: `(1): nn.Linear(784 -> 128)`, and so on, those inside indented.
function Container:listing(first)
  local lines = {torch.type(self) .. ' {', first and '  ' .. first or nil}
  for i, module in ipairs(self.modules) do
    lines[#lines + 1] = ('  (%d): %s'):format(i, (tostring(module):gsub('\n', '\n  ')))
  end
  lines[#lines + 1] = '}'
  return table.concat(lines, '\n')
end

--- The lines of modules side by side, each of which gets the input or a part of it.
function Container:branches()
  local lines, count = {torch.type(self) .. ' {', '  input'}, #self.modules
  for i, module in ipairs(self.modules) do
    local first, rest = '    |`-> ', '\n    |    '
    if i == count then first, rest = '     `-> ', '\n         ' end
    lines[#lines + 1] = ('%s(%d): %s'):format(first, i, (tostring(module):gsub('\n', rest)))
  end
  lines[#lines + 1] = '     ... -> output'
  lines[#lines + 1] = '}'
  return table.concat(lines, '\n')
end

function Container:__tostring__()
  return self:listing()
end
