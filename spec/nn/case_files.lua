--- The modules that hold cases: spec.nn.cases.simple, and so on.
local files = {}
local pipe = io.popen('ls spec/nn/cases')
for name in pipe:lines() do
  local module = name:match('^([%w_]+)%.lua$')
  if module then files[#files + 1] = 'spec.nn.cases.' .. module end
end
pipe:close()
return files
