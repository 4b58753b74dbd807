--- What training scripts have in common: options that are checked, and an end that says why.
local torch = require 'torch'

local script = {}

--- Ends the program unless these options are whole numbers, `least` or more.
function script.whole(cmd, options, names, least)
  for _, name in ipairs(names) do
    local value = options[name]
    if value < least or value % 1 ~= 0 then
      cmd:error(('-%s: a whole number %s expected, got %g'):format(name,
        least == 1 and 'above 0' or 'from ' .. least .. ' on', value))
    end
  end
end

--- Ends the program unless the option is one of these words.
function script.one_of(cmd, options, name, words)
  for _, word in ipairs(words) do
    if options[name] == word then return end
  end
  cmd:error(("-%s: one of %s expected, got '%s'"):format(name, table.concat(words, ', '),
    options[name]))
end

-- Ctrl-C ends an epoch in the middle, but not the writing of a file.
local function report(options, message)
  if not tostring(message):find('interrupted') then
    io.stderr:write('error: ', tostring(message), '\n')
    os.exit(1, true)
  end
  local hint = ''
  if options.saved then
    hint = (': %s is saved, -resume %s goes on'):format(options.saved, options.save)
  end
  io.stderr:write('\ninterrupted', hint, '\n')
  os.exit(130, true)
end

--- Calls main(options); an error ends the program with one line. options.saved, a text such as
-- 'epoch 3', is what the file options.save holds.
function script.run(main, options)
  if (options.threads or 0) > 0 then torch.setnumthreads(options.threads) end
  local ok, message = pcall(main, options)
  if not ok then report(options, message) end
end

return script
