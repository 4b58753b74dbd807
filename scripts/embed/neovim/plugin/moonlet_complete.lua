-- The commands; everything else is loaded when one of them is used first.
local function plugin()
  return require 'moonlet_complete'
end

vim.api.nvim_create_user_command('MoonletLearn', function(command)
  plugin().learn(0, tonumber(command.args))
end, {nargs = '?', desc = 'learn the words of this buffer, for so many seconds, in the background'})

vim.api.nvim_create_user_command('MoonletStop', function()
  plugin().stop(0)
end, {desc = 'stop learning this buffer'})

vim.api.nvim_create_user_command('MoonletComplete', function()
  plugin().complete()
end, {desc = 'complete the word before the cursor'})
