-- Debian's nginx serves saved models through scripts/embed/nginx/, on a free port of its own, with
-- all its files in a temporary folder. scripts/setup --embed brings what this needs.
local program = require('spec.vm.program')

-- nginx's LuaJIT loads one of the builds: the ordinary one.
local build = program.build
if not program.is_luajit or build:find('asan') or build:find('embed') then return end

local quote, shell = program.quote, program.shell

local NEEDED = 'command -v curl && command -v wrk && command -v ps && { '
  .. 'test -x "${MOONLET_NGINX:-$HOME/.cache/moonlet-nginx}/usr/sbin/nginx" || '
  .. 'test -e /usr/lib/nginx/modules/ngx_http_lua_module.so; }'
if select(2, shell(NEEDED)) ~= 0 then
  describe('nginx', function()
    pending('serves nothing here: scripts/setup --embed has not brought it')
  end)
  return
end

local folder, port, url

local function output_of(command)
  return (shell(command):gsub('%s+$', ''))
end

local function read(path)
  local file = io.open(path, 'rb')
  if not file then return '' end
  local text = file:read('*a')
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, 'wb'))
  file:write(text)
  file:close()
end

local function sleep(seconds)
  os.execute('sleep ' .. seconds)
end

-- Asks until it holds, for up to ten seconds.
local function wait_for(what, holds)
  for _ = 1, 200 do
    if holds() then return end
    sleep(0.05)
  end
  error(('waited in vain for %s; the log:\n%s'):format(what, read(folder .. '/log')))
end

-- ---------------------------------------------------------------------------------------------
-- The client.

--- Status, body and head of the answer to curl's arguments.
local function curl(path, arguments)
  local command = 'curl -s --max-time 20 -D %s -o %s -w "%%{http_code}" %s %s'
  local status = output_of(command:format(folder .. '/head', folder .. '/body', arguments or '',
    quote(url .. path)))
  return tonumber(status:match('%d+$')), read(folder .. '/body'), read(folder .. '/head')
end

local function post(path, body)
  write(folder .. '/request', body)
  return curl(path, ("-H 'Content-Type: application/json' --data-binary @%s/request")
    :format(folder))
end

local function predict(model, body)
  return post(('/v1/models/%s:predict'):format(model), body)
end

--- What comes back for bytes sent as they are; the sending side is closed behind them.
local function send(bytes)
  write(folder .. '/request', bytes)
  return (output_of(('timeout 20 bash -c %s'):format(quote((
    'exec 3<>/dev/tcp/127.0.0.1/%d; cat %s/request >&3; timeout 3 cat <&3'):format(port, folder)))))
end

-- ---------------------------------------------------------------------------------------------
-- The server.

-- y = x + (amount, 10 amount)
local function save(name, amount)
  local nn, torch = require('nn'), require('torch')
  local module = nn.Add(2)
  module.bias:copy(torch.Tensor {amount, 10 * amount})
  torch.save(('%s/models/%s'):format(folder, name), module)
end

local function pid()
  return tonumber(read(folder .. '/pid'))
end

local function workers()
  local list = {}
  local children = output_of(('ps -o pid= --ppid %d'):format(pid()))
  for id in children:gmatch('%d+') do list[#list + 1] = id end
  return list
end

local function memory_of_workers()
  local sum = 0
  for _, id in ipairs(workers()) do
    sum = sum + (tonumber(read(('/proc/%s/status'):format(id)):match('VmRSS:%s*(%d+) kB')) or 0)
  end
  return sum
end

-- A copy of the example, with locations that look at the process from inside.
local INSIDE = [[
    location = /inside { content_by_lua_block {
      local torch = require('moonlet').torch
      local function threads()
        local n = 0
        for line in io.lines('/proc/self/status') do
          n = tonumber(line:match('^Threads:%%s*(%%d+)')) or n
        end
        return n
      end
      local before = threads()
      local x = torch.ones(600, 600)
      torch.setnumthreads(2)
      local y = x * x
      torch.setnumthreads(1)
      local found = {}
      for _, name in ipairs{'torch', 'nn', 'optim', 'data', 'serve', 'moonlet', 'graph'} do
        if rawget(_G, name) ~= nil then found[#found + 1] = name end
      end
      ngx.say(before, ' ', y:sum() == 600 ^ 3, ' ', table.concat(found, ','), '.')
    } }
    location / {]]

local function start()
  local nginx = folder .. '/nginx'
  shell(('cp -r scripts/embed/nginx %s && chmod -R a+rX %s'):format(nginx, folder))
  local conf = read(nginx .. '/nginx.conf.in')
  local changed, count = conf:gsub('    location / {', INSIDE)
  assert.equal(1, count)
  write(nginx .. '/nginx.conf.in', changed)
  for _ = 1, 20 do
    port = 20000 + tonumber(output_of('od -An -N2 -tu2 /dev/urandom')) % 20000
    url = ('http://127.0.0.1:%d'):format(port)
    local _, status = shell(('bash -c ": >/dev/tcp/127.0.0.1/%d"'):format(port))
    if status ~= 0 then break end
  end
  local command = 'TMPDIR=%s WORKERS=2 MOONLET_BUILD=%s %s/serve %s/models %d >%s/log 2>&1 & '
    .. 'echo $! >%s/pid'
  os.execute(command:format(folder, quote(build), nginx, folder, port, folder, folder))
  wait_for('nginx to start', function() return curl('/v1/models/plain') == 200 end)
end

local function is_running()
  return select(2, shell(('kill -0 %d'):format(pid()))) == 0
end

describe('nginx', function()
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    shell(('mkdir -p %s/models/many && chmod 755 %s'):format(folder, folder))
    save('plain.t7', 1)
    save('many/1.t7', 1)
    save('many/2.t7', 2)
    start()
  end)

  teardown(function()
    if pid() and is_running() then
      shell(('kill -QUIT %d'):format(pid()))
      wait_for('nginx to end', function() return not is_running() end)
    end
    shell('rm -rf ' .. folder)
  end)

  it('answers in TensorFlow Serving\'s form', function()
    local status, body, head = predict('plain', '{"instances":[[1,2],[3,4]]}')
    assert.equal('{"predictions":[[2.0,12.0],[4.0,14.0]]}', body)
    assert.equal(200, status)
    assert.matches('Content%-Type: application/json\r\n', head)
    status, body = predict('many', '{"inputs":[0.5,0]}')
    assert.equal('{"outputs":[2.5,20.0]}', body)
    assert.equal(200, status)
    status, body = predict('many/versions/2', '{"inputs":[0.5,0]}')
    assert.equal('{"outputs":[2.5,20.0]}', body)
    assert.equal(200, status)
    status, body = curl('/v1/models/many')
    assert.equal('{"model_version_status":[{"state":"AVAILABLE","status":{"error_code":"OK",'
      .. '"error_message":""},"version":"2"}]}', body)
    assert.equal(200, status)
    assert.equal(200, (curl('/v1/models/plain/metadata')))
    assert.equal(200, (curl('/v1/models/plain', '-I')))
  end)

  it('answers errors in JSON, with the status that fits', function()
    local function check(wanted, status, body, head)
      assert.equal(wanted, status)
      assert.matches('^{"error":".+"}$', body)
      assert.matches('Content%-Type: application/json\r\n', head)
      return head
    end
    check(400, predict('plain', '{"instances":[[1,2,3]]}'))
    check(400, predict('plain', '{"instances":[[1,2],[3]]}'))
    check(400, predict('plain', ''))
    check(404, predict('none', '{"instances":[[1,2]]}'))
    check(404, predict('many/versions/1', '{"instances":[[1,2]]}'))
    check(404, curl('/'))
    check(404, curl('/moonlet-failure'))
    check(404, curl('/v1/models/plain:classify', '-d {}'))
    assert.matches('Allow: POST\r\n', check(405, curl('/v1/models/plain:predict')))
    assert.matches('Allow: GET, HEAD\r\n', check(405, curl('/v1/models/plain', '-X DELETE')))
    check(413, curl('/v1/models/plain:predict', "-X POST -H 'Content-Length: 50000000'"))
    check(414, curl('/' .. ('a'):rep(10000)))
  end)

  it('survives what is no request at all', function()
    local function request(headers, body)
      return send('POST /v1/models/plain:predict HTTP/1.1\r\nHost: x\r\n' .. headers
        .. '\r\nConnection: close\r\n\r\n' .. body)
    end
    local good = '{"instances":[[1,2]]}'
    assert.matches('^HTTP/1.1 200 ', request('Content-Length: 21', good))
    assert.matches('^HTTP/1.1 200 ', request('Transfer-Encoding: chunked',
      '5\r\n{"ins\r\n10\r\ntances":[[1,2]]}\r\n0\r\n\r\n'))
    assert.matches('^HTTP/1.1 400 .*{"error":', request('Content-Length: 20', good))
    for _, headers in ipairs {'Content-Length: -1', 'Content-Length: x',
        'Content-Length: 99999999999999999999', 'Content-Length: 21\r\nContent-Length: 3',
        'Content-Length: 21\r\nTransfer-Encoding: chunked', 'Transfer-Encoding: odd'} do
      local answer = request(headers, good)
      assert.is_truthy(answer:match('^HTTP/1.1 [45]%d%d .*{"error":'), headers .. '\n' .. answer)
    end
    request('Content-Length: 1000', good) -- ends early: nobody is there to be answered
    request('Transfer-Encoding: chunked', 'fffffffff\r\n{')
    assert.matches('^HTTP/1.1 400 ', request('Transfer-Encoding: chunked', 'zz\r\n{}'))
    for _, bytes in ipairs {'\r\n\r\n', 'GARBAGE\r\n\r\n', '\0\255\22\3\1', ('x'):rep(100000),
        'GET / HTTP/9.9\r\n\r\n', 'GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n',
        'POST /v1/models/plain:predict HTTP/1.1\r\nHost: x\r\n' .. ('A: b\r\n'):rep(20000) } do
      send(bytes)
    end
    assert.equal(200, (predict('plain', good)))
  end)

  it('survives bodies made to hurt', function()
    local nested = predict('plain', ('['):rep(15e6))
    assert.equal(400, nested)
    assert.equal(413, (predict('plain', ('['):rep(50e6))))
    assert.equal(400, (predict('plain', '{"instances":' .. ('{"a":'):rep(1e5))))
    assert.equal(400, (predict('plain', '{"instances":[' .. ('{},'):rep(2e6) .. '{}]}')))
    assert.equal(400, (predict('plain', '{"instances":[[' .. ('9'):rep(1e6) .. ',2]]}')))
    assert.equal(400, (predict('plain', '{"instances":[["\255",2]]}')))
    assert.equal(400, (predict('plain', '{"instances":[[NaN,2]]}')))
    assert.equal(400, (predict('plain', '{"instances":[[1e999,2]]}')))
    assert.equal(400, (predict('plain', '{"instances":[[1,2]]}\0')))
    local status, body = predict('plain', ('{"instances":[%s[1,2]]}'):format(('[1,2],'):rep(4e5)))
    assert.equal(200, status)
    assert.equal(16 + 11 * 400001 + 1, #body) -- longer than client_body_buffer_size, both ways
  end)

  it('is a guest that leaves no trace', function()
    assert.equal('1 true .\n', select(2, curl('/inside')))
    assert.equal('1 true .\n', select(2, curl('/inside')))
    assert.equal(200, (predict('plain', '{"instances":[[1,2]]}')))
  end)

  local function wrk(seconds, meanwhile)
    write(folder .. '/bodies', '{"instances":[[1,2]]}\n{"inputs":[[3,4],[5,6]]}\n')
    local command = 'wrk -t1 -c8 -d%gs -s scripts/embed/nginx/post.lua '
      .. '%s/v1/models/plain:predict -- %s/bodies >%s/wrk 2>&1'
    command = command:format(seconds, url, folder, folder)
    if meanwhile then
      os.execute(('{ %s; echo over >>%s/wrk; } &'):format(command, folder))
      meanwhile()
      wait_for('wrk', function() return read(folder .. '/wrk'):find('\nover\n') end)
    else
      shell(command)
    end
    local answers, failed = read(folder .. '/wrk'):match('answers (%d+) seconds %S+ failed (%d+)')
    assert.is_not_nil(answers, read(folder .. '/wrk'))
    return tonumber(answers), tonumber(failed)
  end

  local function answers(text)
    return select(2, predict('plain', '{"inputs":[0,0]}')) == ('{"outputs":[%s]}'):format(text)
  end

  -- Each worker looks for itself, at most once a second, so one may be behind the other.
  local function all_answer(text)
    for _ = 1, 12 do
      if not answers(text) then return false end
    end
    return true
  end

  it('replaces a model while requests go on, and none fails', function()
    local count, failed = wrk(6, function()
      save('plain.t7', 2)
      wait_for('the second model', function() return all_answer('2.0,20.0') end)
      shell(('head -c 100 %s/models/plain.t7 >%s/half; cat %s/half >%s/models/plain.t7')
        :format(folder, folder, folder, folder))
      wait_for('the log', function()
        return read(folder .. '/log'):find('cannot load [^\n]*plain[^\n]*; the one before stays')
      end)
      assert.is_true(all_answer('2.0,20.0'))
      save('plain.t7', 3)
      wait_for('the third model', function() return answers('3.0,30.0') end)
    end)
    assert.equal(0, failed)
    assert.is_true(count > 1000)
    wait_for('it everywhere', function() return all_answer('3.0,30.0') end)
  end)

  it('takes no more memory the longer it serves', function()
    wrk(2)
    local before = memory_of_workers()
    local count, failed = wrk(3)
    assert.equal(0, failed)
    assert.is_true(count > 1000)
    assert.is_true(memory_of_workers() <= before + 2048, 'kB more')
  end)

  it('reloads, with other workers, and keeps on answering', function()
    local old = table.concat(workers(), ' ')
    save('plain.t7', 4)
    shell(('kill -HUP %d'):format(pid()))
    wait_for('new workers', function()
      return answers('4.0,40.0') and #workers() == 2 and table.concat(workers(), ' ') ~= old
    end)
    assert.equal('1 true .\n', select(2, curl('/inside')))
  end)

  it('has logged no complaint, and ends when told to', function()
    shell(('kill -QUIT %d'):format(pid()))
    wait_for('nginx to end', function() return not is_running() end)
    local log = read(folder .. '/log')
    for _, word in ipairs {'global', 'exited on signal', '%[alert%]', '%[emerg%]', '%[crit%]',
        'traceback', 'attempt to', 'panic'} do
      assert.is_nil(log:match('[^\n]*' .. word .. '[^\n]*'))
    end
    local _, count = log:gsub('worker process %d+ exited with code 0', '')
    assert.equal(4, count)
  end)
end)
