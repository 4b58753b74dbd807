--- Run inside of Neovim by embed_neovim_spec.lua, with a Lua file in the buffer: uses the plug-in
-- as people do, and tells how that went, a line of NAME=VALUE each.
local api = vim.api

local function tell(name, value)
  io.stdout:write(name, '=', tostring(value), '\n')
end

local function globals()
  local names = {}
  for name in pairs(_G) do names[name] = true end
  return names
end

local function wait(condition)
  return vim.wait(60000, condition, 10)
end

-- Puts a line at the end of the buffer, and the cursor at its end.
local function write(line)
  api.nvim_buf_set_lines(0, -1, -1, false, {line})
  api.nvim_win_set_cursor(0, {api.nvim_buf_line_count(0), #line})
end

local function status_text()
  local space = api.nvim_get_namespaces().moonlet_complete
  local mark = api.nvim_buf_get_extmark_by_id(0, space, 1, {details = true})
  return mark[3] and mark[3].virt_text[1][1] or ''
end

local before, buffer = globals(), api.nvim_get_current_buf()
vim.cmd 'runtime plugin/moonlet_complete.lua'
local plugin = require 'moonlet_complete'

-- Learning goes on in the background: the command returns at once.
plugin.learn(0, nil, {steps = 2500, seed = 1})
tell('begins', plugin.status().steps)
local used = os.clock()
wait(function() return plugin.status().slices >= 10 end)
tell('says', status_text())
tell('ended', wait(function() return not plugin.status().learning end))
used = os.clock() - used
local status = plugin.status()
tell('first', status.first_loss)
tell('last', status.loss)
tell('slice', used * 1e3 / status.slices) -- milliseconds of the processor's time
tell('says_then', status_text())

-- The same letters, in two places.
write 'local core = re'
tell('after_equals', plugin.suggest()[1])
write '  end'
write '  re'
tell('at_the_beginning', plugin.suggest()[1])
vim.cmd 'MoonletComplete'
tell('written', api.nvim_get_current_line())
write 'local files = re'
vim.bo.completefunc = "v:lua.require'moonlet_complete'.completefunc"
vim.cmd [[execute "normal! A\<C-x>\<C-u>\<C-y>"]]
tell('by_keys', api.nvim_get_current_line())
write 'local zzzz'
tell('nothing', #plugin.suggest())

-- Stopping; a buffer that goes while it is learned; a buffer without words.
vim.cmd 'MoonletLearn 100'
vim.cmd 'MoonletStop'
tell('stopped', not plugin.status().learning)
vim.cmd 'MoonletLearn 100'
vim.cmd 'enew!'
api.nvim_buf_delete(buffer, {force = true})
vim.wait(100)
tell('gone', plugin.status(buffer) == nil)
tell('empty', pcall(vim.cmd, 'silent! MoonletLearn'))
tell('complete_in_empty', pcall(vim.cmd, 'MoonletComplete'))

for name in pairs(globals()) do
  if not before[name] then tell('global', name) end
end
tell('cpath', package.cpath:find('build', 1, true) == nil)
tell('done', true)
