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

--- The options that say where and in what precision to calculate; `device` reads the first.
function script.device_options(cmd)
  cmd:option('-device', 'cpu', "where to calculate: cpu; cuda, a GPU; cuda:1, the second one")
  cmd:option('-bf16', false, 'calculate products in bfloat16: faster where the processor knows it')
  cmd:option('-fp16', false, 'calculate products in float16, with scaled gradients')
end

--- Ends the program unless the device can be used, and one precision at most is asked for.
function script.check_device(cmd, options)
  local ok, message = pcall(torch.empty, 1, {device = options.device})
  if not ok then cmd:error(('-device: %s'):format(tostring(message):gsub('^.-:%d+: ', ''))) end
  if options.bf16 and options.fp16 then cmd:error('-bf16 or -fp16, not both') end
end

--- What torch.autocast takes: 'bfloat16', 'float16' or false.
function script.precision(options)
  return options.bf16 and 'bfloat16' or options.fp16 and 'float16'
end

--- loss:backward() and the optimizer's step, with scaled gradients where the scaler is in use.
-- between(): called before the step, with gradients that are not scaled any more.
function script.step(loss, optimizer, scaler, between)
  optimizer:zero_grad()
  scaler:scale(loss):backward()
  if between then
    scaler:unscale_(optimizer)
    between()
  end
  scaler:step(optimizer)
  scaler:update()
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
