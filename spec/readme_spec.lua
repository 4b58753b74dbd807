-- What README.md shows is true: everything in its fenced blocks is run.
--
--   ```lua       a whole script: it runs to its end; `<!-- continues -->` on a line of its own
--                before the block puts the script block before it in front
--   ```c         a whole program: it compiles, links with libmoonlet.a and returns 0
--   ```console   `$ moonlet` and a transcript of the prompt: the answers are compared to the
--                letter, but for the line with the version; other lines with `$` are commands
--   ```sh        commands; a `make target` must be one that the Makefile has, a script there
--
-- Other blocks (```text, ```diff) are read by people only.
local build = os.getenv('MOONLET_BUILD') or 'build'
local lua = os.getenv('MOONLET_LUA') or 'luajit'
local cc = os.getenv('CC') or 'cc'

local function read(path)
  local file = assert(io.open(path, 'rb'))
  local text = file:read('*a')
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, 'wb'))
  file:write(text)
  file:close()
end

--- Everything the command prints, and whether it went well.
local function run(command)
  local pipe = io.popen('{ ' .. command .. '\n} 2>&1; echo "status $?"')
  local text = pipe:read('*a')
  pipe:close()
  local output, status = text:match('^(.*)status (%d+)\n$')
  return output, status == '0'
end

--- Blocks in their order: { kind, line, text }.
local function blocks_of(path)
  local blocks, open, continues, number = {}, nil, false, 0
  for line in (read(path) .. '\n'):gmatch('(.-)\r?\n') do
    number = number + 1
    local fence = line:match('^%s*```(.*)$')
    if open and fence then
      open.text = table.concat(open.lines, '\n') .. '\n'
      blocks[#blocks + 1], open = open, nil
    elseif open then
      table.insert(open.lines, line)
    elseif fence then
      open = { kind = fence:match('%w*'), line = number, lines = {}, continues = continues }
      continues = false
    elseif line:match('^<!%-%- continues %-%->') then
      continues = true
    end
  end
  return blocks
end

local function with_file(text, ending, use)
  local name = os.tmpname()
  write(name .. ending, text)
  local ok, message = pcall(use, name .. ending)
  os.remove(name)
  os.remove(name .. ending)
  if not ok then error(message, 0) end
end

local function check_script(text)
  with_file(text, '.lua', function(path)
    local output, good = run(build .. '/moonlet ' .. path .. ' </dev/null')
    assert.is_true(good, output)
  end)
end

local function check_program(text)
  with_file(text, '.c', function(path)
    local program = path:gsub('%.c$', '.out')
    local output, good = run(('%s -std=c11 -Wall -Wextra -Werror -I. -Ivm -Itensor %s -o %s '
      .. '%s/libmoonlet.a $(pkg-config --libs %s) -lz -lm -ldl -pthread && %s'):format(
      cc, path, program, build, lua, program))
    os.remove(program)
    assert.is_true(good, output)
  end)
end

-- On a pipe the prompt shows what it would on a terminal, but for the lines typed.
local function check_transcript(lines)
  local typed, expected = {}, {}
  for _, line in ipairs(lines) do
    local prompt, input = line:match('^(>>? )(.*)$')
    if prompt then
      typed[#typed + 1] = input
      expected[#expected + 1] = prompt
    elseif not line:match('^Moonlet %d') then
      expected[#expected + 1] = line .. '\n'
    end
  end
  with_file(table.concat(typed, '\n') .. '\n', '.txt', function(path)
    local output = run(build .. '/moonlet -i <' .. path)
    output = output:gsub('^Moonlet %d[^\n]*\n', ''):gsub('> %s*$', '')
    assert.are.equal(table.concat(expected), output)
  end)
end

local function check_commands(lines)
  for _, line in ipairs(lines) do
    local script = line:match('^%$?%s*(scripts/[%w_/.-]+)')
    if script then assert.is_true(select(2, run('test -x ' .. script)), script) end
    local arguments = line:match('^%$?%s*make%s*([^#]*)')
    if arguments then
      local output, good = run('env -u CC MAKEFLAGS= make -n ' .. arguments)
      assert.is_true(good, output)
    end
  end
end

local function is_transcript(block)
  return block.kind == 'console' and block.lines[1] and block.lines[1]:match('^%$ moonlet%s*$')
end

describe('README.md', function()
  local before = ''
  for _, block in ipairs(blocks_of('README.md')) do
    local function shows(what, check, argument)
      it(('line %d: %s'):format(block.line, what), function() check(argument) end)
    end
    if block.kind == 'lua' then
      before = block.continues and before .. block.text or block.text
      shows('the script runs', check_script, before)
    elseif block.kind == 'c' then
      shows('the program compiles and runs', check_program, block.text)
    elseif is_transcript(block) then
      table.remove(block.lines, 1)
      shows('the prompt answers so', check_transcript, block.lines)
    elseif block.kind == 'sh' or block.kind == 'console' then
      shows('the commands are there', check_commands, block.lines)
    end
  end
end)
