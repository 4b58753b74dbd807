-- Runs busted inside the program under test, so that the specs see its virtual machine:
--
--   build/moonlet spec/support/busted.lua [busted's options] spec/nn/Linear_spec.lua ...
--
-- Without a file it runs all of spec/. The last line counts what passed.

-- Where Debian keeps Lua modules; a program that carries its own Lua may not know.
local abi = _VERSION:match('%d%.%d')
local pc = io.popen('uname -m 2>/dev/null')
local machine = pc and pc:read('*l') or 'x86_64'
if pc then pc:close() end
local lua_dir, c_dir = '/usr/share/lua/' .. abi, '/usr/lib/' .. machine .. '-linux-gnu/lua/' .. abi
package.path = package.path .. ';' .. lua_dir .. '/?.lua;' .. lua_dir .. '/?/init.lua'
package.cpath = package.cpath .. ';' .. c_dir .. '/?.so'

-- Modules that specs share: spec.support.name. A searcher, since './?.lua' in the path could put
-- the tree's packages before those that the program carries.
local searchers = package.searchers or package.loaders
searchers[#searchers + 1] = function(name)
  if name:sub(1, 5) ~= 'spec.' then return nil end
  local load_it, message = loadfile((name:gsub('%.', '/')) .. '.lua')
  return load_it or '\n\t' .. message
end

-- Loaded before busted starts: it forgets between files whatever a file has loaded, and the
-- packages, whose classes are registered in C, must be loaded once only.
for _, name in ipairs({ 'torch', 'nn', 'optim', 'data' }) do
  local ok, message = pcall(require, name)
  if not ok then io.stderr:write('cannot load ', name, ': ', tostring(message), '\n') end
end

local counter = require('spec.support.assertions')
counter.start(require('luassert.assert'), require('luassert.namespaces'))
require('luassert')

local options = { '--output=spec/support/output.lua' }
local seen_file = false
for i = 1, #arg do
  options[#options + 1] = arg[i]
  if arg[i]:sub(1, 1) ~= '-' then seen_file = true end
end
if not seen_file then options[#options + 1] = 'spec' end
arg = { [0] = arg[0] }
for i = 1, #options do arg[i] = options[i] end

-- busted leaves with error(nil) under Lua 5.1's rules; the counts tell what happened.
local ok, message = pcall(require('busted.runner'), { standalone = false })
local result = require('spec.support.result')
if not ok and message ~= nil then
  io.stderr:write(tostring(message), '\n')
  os.exit(2)
end
os.exit(result.finished and result.failed == 0 and 0 or 1, true)
