-- Saved models behind TensorFlow Serving's REST form, without any HTTP: requests go in as Lua
-- values. spec/nginx_spec.lua has them come through nginx.
local moonlet = require 'moonlet'
local torch, nn = require 'torch', require 'nn'
local serve, json = moonlet.serve, moonlet.require('serve.json')

local folder
local logged

local function shell(command)
  assert(os.execute(command))
end

local function new(options)
  options = options or {}
  options.folder = options.folder or folder
  options.log = function(level, text) logged[#logged + 1] = level .. ' ' .. text end
  return serve.new(options)
end

-- A module whose weights are known: y = x W' + b.
local function linear(weight, bias)
  local module = nn.Linear(#weight[1], #weight)
  module.weight:copy(torch.Tensor(weight))
  module.bias:copy(torch.Tensor(bias))
  return module
end

local function add(name, amount)
  if name:find('/') then shell(('mkdir -p %s/%s'):format(folder, name:match('^(.*)/'))) end
  torch.save(('%s/%s'):format(folder, name), linear({{1, 0}, {0, 1}}, {amount, 10 * amount}))
end

-- Modification times are not looked at more closely than the file system has them, and the sizes
-- of these files are all the same: renaming makes another inode.
local function write(name, bytes)
  local file = assert(io.open(folder .. '/new', 'wb'))
  file:write(bytes)
  file:close()
  assert(os.rename(folder .. '/new', folder .. '/' .. name))
end

local function read(name)
  local file = assert(io.open(folder .. '/' .. name, 'rb'))
  local bytes = file:read('*a')
  file:close()
  return bytes
end

local function predict(server, model, body)
  return server:handle('POST', ('/v1/models/%s:predict'):format(model), body)
end

local function check(server, model, body, status, answer)
  local code, text = predict(server, model, body)
  assert.equal(answer, text)
  assert.equal(status, code)
end

local function refused(server, body, reason, model)
  check(server, model or 'plain', body, 400, ('{"error":%s}'):format(json.encode(reason)))
end

describe('serve', function()
  before_each(function()
    folder, logged = os.tmpname(), {}
    os.remove(folder)
    shell('mkdir ' .. folder)
  end)
  after_each(function() shell('rm -rf ' .. folder) end)

  describe('predicts', function()
    local server
    before_each(function()
      add('plain.t7', 1)
      torch.save(folder .. '/sum.t7', nn.CAddTable())
      torch.save(folder .. '/two.t7', {model = nn.ConcatTable():add(nn.Identity()):add(nn.Sum(2))})
      torch.save(folder .. '/words.t7', nn.Sequential(nn.LookupTable(3, 1), nn.Sum(2)))
      torch.save(folder .. '/double.t7', nn.MulConstant(2):double())
      torch.save(folder .. '/one.t7', linear({{2}}, {1}))
      server = new{models = {sum = {inputs = {'a', 'b'}}, two = {outputs = {'same', 'sum'}},
        words = {dtype = 'long'}}}
      assert.equal(6, #logged)
    end)

    it('rows', function()
      check(server, 'plain', '{"instances":[[1,2],[3,4]]}', 200,
        '{"predictions":[[2.0,12.0],[4.0,14.0]]}')
      check(server, 'plain', '{"signature_name":"serving_default","instances":[[0,0]]}', 200,
        '{"predictions":[[1.0,10.0]]}')
      check(server, 'plain', '{"signature_name":null,"instances":[{"x":[1,2]},{"x":[3,4]}]}', 200,
        '{"predictions":[[2.0,12.0],[4.0,14.0]]}')
      check(server, 'one', '{"instances":[1,2.5]}', 200, '{"predictions":[[3.0],[6.0]]}')
      check(server, 'one', '{"instances":[{"x":1},{"x":2.5}]}', 200,
        '{"predictions":[[3.0],[6.0]]}')
    end)

    it('columns', function()
      check(server, 'plain', '{"inputs":[[1,2],[3,4]]}', 200,
        '{"outputs":[[2.0,12.0],[4.0,14.0]]}')
      check(server, 'plain', '{"inputs":[1,2]}', 200, '{"outputs":[2.0,12.0]}')
      check(server, 'plain', '{"inputs":{"input":[1,2]}}', 200, '{"outputs":[2.0,12.0]}')
    end)

    it('with several inputs and outputs', function()
      check(server, 'sum', '{"instances":[{"a":[1,2],"b":[3,4]},{"b":[7,8],"a":[5,6]}]}', 200,
        '{"predictions":[[4.0,6.0],[12.0,14.0]]}')
      check(server, 'sum', '{"inputs":{"a":[1,2],"b":[3,4]}}', 200, '{"outputs":[4.0,6.0]}')
      check(server, 'two', '{"instances":[[1,2],[3,4]]}', 200, '{"predictions":'
        .. '[{"same":[1.0,2.0],"sum":3.0},{"same":[3.0,4.0],"sum":7.0}]}')
      check(server, 'two', '{"inputs":[[1,2]]}', 200,
        '{"outputs":{"same":[[1.0,2.0]],"sum":[3.0]}}')
    end)

    it('in the types that models take', function()
      local status, text = predict(server, 'words', '{"instances":[[1,2],[3,3]]}')
      assert.equal(200, status, text)
      local weight = torch.load(folder .. '/words.t7'):get(1).weight:detach():view(-1)
      local answer = json.decode(text).predictions:view(-1)
      assert.near(weight[1] + weight[2], answer[1], 1e-6)
      assert.near(2 * weight[3], answer[2], 1e-6)
      assert.matches('index', select(2, predict(server, 'words', '{"instances":[[1,4]]}')))
      check(server, 'double', '{"instances":[[0.1]]}', 200, '{"predictions":[[0.2]]}')
      check(server, 'double', '{"instances":[[1e39]]}', 200, '{"predictions":[[2e39]]}')
    end)

    it('and has the memory of a request back at once', function()
      local body = ('{"instances":[%s[1,2]]}'):format(('[1,2],'):rep(50000))
      local function live() collectgarbage() return torch.memory().live end
      for _ = 1, 5 do predict(server, 'plain', body) end -- from the third on, by a plan
      local before = live()
      for _ = 1, 20 do assert.equal(200, (predict(server, 'plain', body))) end
      assert.is_true(live() <= before + 65536)
    end)

    it('but not what is no request', function()
      refused(server, '', 'a body of JSON expected')
      refused(server, nil, 'a body of JSON expected')
      refused(server, '{', 'no valid JSON: the text ends where a key is expected at byte 2')
      refused(server, '[1]', 'an object expected, got an array of numbers')
      refused(server, '7', 'an object expected, got a number')
      refused(server, 'null', 'an object expected, got null')
      refused(server, '{}', '"instances" or "inputs" expected')
      refused(server, '{"instances":[[1,2]],"inputs":[1,2]}',
        '"instances" or "inputs" expected, not both')
      refused(server, '{"instances":[]}',
        'instances: an array of at least one expected, got an empty one')
      refused(server, '{"instances":null}',
        'instances: an array of at least one expected, got null')
      refused(server, '{"instances":"x"}',
        'instances: an array of at least one expected, got a string')
      refused(server, '{"instances":3}',
        'instances: an array of at least one expected, got a number')
      refused(server, '{"instances":{"x":[1,2]}}',
        'instances: an array of at least one expected, got an object')
      refused(server, '{"instances":[true]}',
        'instance 1: numbers, or arrays of them, expected, got a boolean')
      refused(server, '{"instances":[{"b64":"AAAA"}]}',
        'instance 1: numbers, or arrays of them, expected, got a string')
      refused(server, '{"inputs":{"b64":"AAAA"}}', 'inputs: binary values (b64) are not taken')
      refused(server, '{"inputs":{"a":1,"b":2}}',
        'inputs: one input expected, an object with one field')
      refused(server, '{"inputs":"x"}',
        'inputs: numbers, or arrays of them, expected, got a string')
      refused(server, '{"instances":[{"x":[1,2]},{"x":[1]}]}',
        'instance 2 is of size 1, the first of 2')
      refused(server, '{"instances":[{"x":[1,2]},[1,2]]}',
        'instance 2: an object expected, got an array of numbers')
      refused(server, '{"instances":[[1,2]],"signature_name":"other"}',
        'there is no signature "other": this model has "serving_default"')
      refused(server, '{"instances":[[1,2]],"signature_name":1}',
        'signature_name: a string expected, got a number')
      refused(server, '{"instances":[[1,2]]}',
        'instances: objects with the fields a, b expected', 'sum')
      refused(server, '{"inputs":[1]}',
        'inputs: an object with the fields a, b expected, got an array of numbers', 'sum')
      refused(server, '{"inputs":{"a":[1]}}', 'inputs: the input "b" is missing', 'sum')
      refused(server, '{"inputs":{"a":[1],"b":[1],"c":[1]}}',
        'inputs: there is no input "c"', 'sum')
    end)

    it('nor what the model does not take', function()
      refused(server, '{"instances":[[1,2,3]]}',
        'nn.Linear: input of size [1x3] has 3 features, expected 2')
      refused(server, '{"inputs":{"a":[1,2],"b":[1,2,3]}}',
        select(2, predict(server, 'sum', '{"inputs":{"a":[1,2],"b":[1,2,3]}}'))
          :match('^{"error":"(.*)"}$'), 'sum')
      check(server, 'plain', '{"instances":[[1,2]]}', 200, '{"predictions":[[2.0,12.0]]}')
    end)

    it('nor a batch for which there is no batch of results', function()
      torch.save(folder .. '/all.t7', nn.Sequential(nn.Sum(1)))
      local other = new()
      refused(other, '{"instances":[[1,2,3],[4,5,6]]}', '2 instances gave a result of size 3: '
        .. 'this model takes no batches, or other sizes', 'all')
    end)
  end)

  it('tells what is in service, and of what type', function()
    add('many/3.t7', 3)
    add('many/10.t7', 10)
    write('many/11.t7', 'nothing')
    shell(('mkdir %s/many/12 %s/many/other; cp %s/many/3.t7 %s/many/12/model.t7')
      :format(folder, folder, folder, folder))
    shell(('mv %s/many/12 %s/many/2'):format(folder, folder))
    local server = new{defaults = {keep = 2}}
    local function get(path)
      local status, text, headers = server:handle('GET', '/v1/models/' .. path)
      assert.is_nil(headers)
      return status, json.decode(text)
    end
    local status, value = get('many')
    assert.equal(200, status)
    local ok = {error_code = 'OK', error_message = ''}
    assert.same({
      {version = '11', state = 'END', status = {error_code = 'UNKNOWN',
        error_message = value.model_version_status[1].status.error_message}},
      {version = '10', state = 'AVAILABLE', status = ok},
      {version = '3', state = 'AVAILABLE', status = ok},
    }, value.model_version_status)
    assert.matches('unknown object tag', value.model_version_status[1].status.error_message)
    assert.is_nil(value.model_version_status[1].status.error_message:find(folder, 1, true))
    status, value = get('many/versions/3')
    assert.equal(200, status)
    assert.equal(1, #value.model_version_status)
    assert.equal(404, (get('many/versions/4')))
    assert.equal(404, (get('none')))
    status, value = get('many/versions/3/metadata')
    assert.equal(200, status)
    assert.same({name = 'many', version = '3', signature_name = ''}, value.model_spec)
    local signature = value.metadata.signature_def.signature_def.serving_default
    assert.equal('DT_FLOAT', signature.inputs.input.dtype)
    assert.equal('tensorflow/serving/predict', signature.method_name)
    check(server, 'many', '{"inputs":[0,0]}', 200, '{"outputs":[10.0,100.0]}')
    check(server, 'many/versions/3', '{"inputs":[0,0]}', 200, '{"outputs":[3.0,30.0]}')
    check(server, 'many/versions/2', '{"inputs":[0,0]}', 404,
      '{"error":"model \\"many\\" has no version 2 in service"}')
  end)

  it('knows its paths and methods', function()
    add('plain.t7', 1)
    local server = new()
    local function status(method, path)
      local code, text, headers = server:handle(method, path, '{}')
      if code ~= 200 then assert.is_string(json.decode(text).error) end
      return code, headers and headers.Allow
    end
    assert.equal(200, status('GET', '/v1/models/plain'))
    assert.equal(200, status('HEAD', '/v1/models/plain'))
    assert.same({405, 'POST'}, {status('GET', '/v1/models/plain:predict')})
    assert.same({405, 'GET, HEAD'}, {status('POST', '/v1/models/plain')})
    assert.same({405, 'GET, HEAD'}, {status('DELETE', '/v1/models/plain/metadata')})
    for _, path in ipairs {'', '/', '/v1', '/v1/models', '/v1/models/', '/v2/models/plain',
        '/v1/models/plain:classify', '/v1/models/plain:', '/v1/models/:predict', '/v1/models/a/b',
        '/v1/models/plain/versions/', '/v1/models/plain/versions/x', '/v1/models/plain/versions/-1',
        '/v1/models/plain/versions/99999999999999999999', '/v1/models/../plain',
        '/v1/models/plain/../plain', '/v1/models/\0\255', '/v1/models/plain:predict/x',
        ('/v1/models/' .. ('a'):rep(100000))} do
      assert.equal(404, status('GET', path), path)
    end
    assert.equal(404, status('POST', '/v1/models/none:predict'))
    assert.equal(404, status('POST', '/v1/models/plain/versions/2:predict'))
    local code, text = server:handle('GET', '/v1/models/\255"')
    assert.equal(404, code)
    assert.equal('there is no model "\239\191\189""', json.decode(text).error)
  end)

  it('keeps to the memory it was given', function()
    torch.save(folder .. '/large.t7', nn.Sequential(nn.Replicate(1e6, 2), nn.Contiguous()))
    torch.save(folder .. '/huge.t7', nn.Sequential(nn.Replicate(1e12, 2), nn.Contiguous()))
    add('plain.t7', 1)
    local server = new{memory = torch.memory().live + 1e7}
    for _, name in ipairs {'large', 'huge'} do
      local status, text = predict(server, name, '{"instances":[[1,2,3,4]]}')
      assert.matches('memory', json.decode(text).error)
      assert.equal(503, status)
    end
    check(server, 'plain', '{"inputs":[0,0]}', 200, '{"outputs":[1.0,10.0]}')
    torch.set_memory_limit(0)
  end)

  it('says what is wrong with its options', function()
    for reason, options in pairs {
      ['a server has no option "port"'] = {folder = '.', port = 1},
      ['folder must be a string, got number'] = {folder = 1},
      ['a folder, or models, expected'] = {log = print},
      ['model "x" has no path'] = {models = {x = {}}},
      ['model "x": keep must be a number, got string'] = {models = {x = {path = 'x', keep = 'y'}}},
    } do
      local good, why = pcall(serve.new, options)
      assert.is_false(good)
      assert.matches(reason, why, 1, true)
    end
    new{folder = folder .. '/none'}
    assert.same(1, #logged)
  end)

  describe('reloads', function()
    local server
    local function answers(text)
      check(server, 'plain', '{"inputs":[0,0]}', 200, ('{"outputs":[%s]}'):format(text))
    end
    before_each(function()
      add('plain.t7', 1)
      server = new()
      answers('1.0,10.0')
    end)

    it('a file that was replaced, when it has settled', function()
      add('plain.t7', 2)
      server:refresh()
      answers('1.0,10.0')
      server:refresh()
      answers('2.0,20.0')
      server:refresh()
      assert.equal(2, #logged)
    end)

    it('no file that is half written, damaged, or something else', function()
      local bytes = read('plain.t7')
      for _, wrong in ipairs {bytes:sub(1, math.floor(#bytes / 2)), '', 'hello', bytes:sub(1, -2),
          bytes:gsub('nn.Linear', 'nn.Lineax'), torch.serialize({1, 2}), torch.serialize('text'),
          torch.serialize(torch.ones(3)), torch.serialize(nn.MSECriterion()),
          torch.serialize({model = {}}), torch.serialize(function() end, {functions = true})} do
        write('plain.t7', wrong)
        server:refresh()
        server:refresh()
        server:refresh()
        answers('1.0,10.0')
        assert.matches('^error model "plain" version 1: cannot load .* stays in service$',
          logged[#logged])
      end
      assert.equal(12, #logged)
      assert.is_nil(table.concat(logged):find('model.lua', 1, true))
      write('plain.t7', bytes:gsub('nn.Linear', 'nn.Linear'))
      server:refresh()
      server:refresh()
      answers('1.0,10.0')
      assert.equal(13, #logged)
    end)

    it('a newer version, and goes back when that is taken away', function()
      add('many/1.t7', 1)
      server:refresh()
      server:refresh()
      add('many/2.t7', 2)
      server:refresh()
      check(server, 'many', '{"inputs":[0,0]}', 200, '{"outputs":[1.0,10.0]}')
      server:refresh()
      check(server, 'many', '{"inputs":[0,0]}', 200, '{"outputs":[2.0,20.0]}')
      check(server, 'many/versions/1', '{"inputs":[0,0]}', 404,
        '{"error":"model \\"many\\" has no version 1 in service"}')
      write('many/3.t7', 'damaged')
      server:refresh()
      server:refresh()
      check(server, 'many', '{"inputs":[0,0]}', 200, '{"outputs":[2.0,20.0]}')
      os.remove(folder .. '/many/2.t7')
      os.remove(folder .. '/many/3.t7')
      server:refresh()
      server:refresh()
      check(server, 'many', '{"inputs":[0,0]}', 200, '{"outputs":[1.0,10.0]}')
    end)

    it('new models, and forgets those that are gone for good', function()
      add('other.t7', 5)
      os.rename(folder .. '/plain.t7', folder .. '/moved')
      server:refresh()
      answers('1.0,10.0')
      server:refresh()
      check(server, 'plain', '{"inputs":[0,0]}', 404, '{"error":"there is no model \\"plain\\""}')
      check(server, 'other', '{"inputs":[0,0]}', 200, '{"outputs":[5.0,50.0]}')
      os.rename(folder .. '/moved', folder .. '/plain.t7')
      server:refresh()
      server:refresh()
      answers('1.0,10.0')
    end)

    it('while requests go on, where the host can yield', function()
      local module = linear({{1, 0}, {0, 1}}, {2, 20})
      torch.save(folder .. '/plain.t7', nn.Sequential(module, nn.Identity()))
      server:refresh()
      local turns = 0
      local loading = coroutine.create(function() server:refresh(false, coroutine.yield) end)
      while coroutine.status(loading) ~= 'dead' do
        assert(coroutine.resume(loading))
        turns = turns + 1
        if coroutine.status(loading) ~= 'dead' then answers('1.0,10.0') end
        server:refresh() -- does nothing: one is under way
      end
      assert.is_true(turns > 20)
      answers('2.0,20.0')
    end)
  end)

  -- A model's file may hold any fields: those that name methods are nothing but data.
  it('calls no field of a file', function()
    local module = linear({{1, 0}, {0, 1}}, {1, 10})
    for _, name in ipairs {'evaluate', 'freeze', '__call__', 'type', 'read'} do
      rawset(module, name, nn.Identity())
    end
    torch.save(folder .. '/plain.t7', module)
    check(new(), 'plain', '{"inputs":[0,0]}', 200, '{"outputs":[1.0,10.0]}')
  end)

  -- What comes out of a generator of our own, so that a failure can be repeated.
  local function random_of(seed)
    return function(n)
      seed = (seed * 16807) % 2147483647
      return seed % n + 1
    end
  end

  it('answers whatever comes', function()
    add('plain.t7', 1)
    local server, random = new(), random_of(7)
    local good = {'{"instances":[[1,2],[3,4]]}', '{"inputs":{"x":[1.5e3,-2]},"signature_name":""}',
      '{"instances":[{"x":[1,2]},{"x":[3,4]}],"a":[true,null,"\\u00e9\\n"]}'}
    local pieces = {'[', ']', '{', '}', ',', ':', '"', '\\', '1e999', '-', '.', 'null', '\0',
      '\255', '"instances":', '"inputs":', '[[', ']]', '1e-5', '99999999999999999999', ' ',
      '{"b64":"x"}'}
    for _ = 1, 20000 do
      local text = good[random(#good)]
      for _ = 1, random(3) do
        local at, piece = random(#text), pieces[random(#pieces)]
        text = text:sub(1, at - 1) .. piece .. text:sub(at + random(3) - 1)
      end
      local status, answer = predict(server, 'plain', text)
      local value = json.decode(answer)
      if status == 200 then
        assert.is_true(value.predictions ~= nil or value.outputs ~= nil)
      else
        assert.equal(400, status)
        assert.is_string(value.error)
      end
    end
  end)

  it('loads or refuses whatever file there is, and answers', function()
    torch.save(folder .. '/plain.t7', nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)))
    local server, random, bytes = new(), random_of(11), read('plain.t7')
    for _ = 1, 150 do
      local changed = bytes
      for _ = 1, random(4) do
        local at = random(#changed)
        changed = changed:sub(1, at - 1) .. string.char(random(256) - 1) .. changed:sub(at + 1)
      end
      write('plain.t7', changed)
      server:refresh(true)
      local status, answer = predict(server, 'plain', '{"instances":[[1,2]]}')
      assert.is_true(status == 200 or status == 400 or status == 503)
      assert.is_table(json.decode(answer))
    end
  end)
end)
