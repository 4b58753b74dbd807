--- Runs the program under test in a shell, for the specs of vm/.
local program = {}

program.build = os.getenv('MOONLET_BUILD') or 'build'
program.path = program.build .. '/moonlet'
program.is_luajit = rawget(_G, 'jit') ~= nil

--- A word for the shell.
function program.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a shell command; gives what it wrote to stdout and stderr together, and its status.
function program.shell(command)
  local pipe = assert(io.popen('{ ' .. command .. '\n} 2>&1; echo "status=$?"'))
  local text = pipe:read('*a')
  pipe:close()
  local output, status = text:match('^(.*)status=(%d+)\n$')
  return output, tonumber(status)
end

--- Runs moonlet with arguments written as for the shell, and `input` on standard input.
function program.run(arguments, input)
  local name = os.tmpname()
  local file = assert(io.open(name, 'w'))
  file:write(input or '')
  file:close()
  local output, status = program.shell(('%s %s < %s'):format(program.path, arguments, name))
  os.remove(name)
  return output, status
end

--- Writes a script beside the system's other temporary files; the caller removes it.
function program.script(code)
  local name = os.tmpname()
  local file = assert(io.open(name, 'w'))
  file:write(code)
  file:close()
  return name
end

return program
