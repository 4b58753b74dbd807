--- Moonlet inside nginx's Lua module: hands requests to the package serve, see stdlib/serve.
--
--   init_by_lua_block        { require('moonlet_nginx').init{folder = '/srv/models'} }
--   init_worker_by_lua_block { require('moonlet_nginx').watch() }
--   location /v1/            { content_by_lua_block { require('moonlet_nginx').answer() } }
--
-- Models are loaded once, before nginx forks: the workers share their memory until one is replaced.
local moonlet = require 'moonlet'

local binding = {}

local SLICE = 0.002 -- seconds for which a file may be read before requests get their turn

local clock, server = moonlet.torch.tic, nil

local function log(level, text)
  ngx.log(level == 'error' and ngx.ERR or ngx.NOTICE, 'moonlet: ', text)
end

--- In init_by_lua: opens the models. options: see serve.new; in short, folder.
function binding.init(options)
  local all = {log = log}
  for name, value in pairs(options) do all[name] = value end
  server = moonlet.serve.new(all)
end

--- In init_worker_by_lua: looks for changed files every so many seconds (1).
function binding.watch(interval)
  local began
  local function pause()
    if clock() - began < SLICE then return end
    ngx.sleep(0.001)
    began = clock()
  end
  local function look(premature)
    if premature then return end
    began = clock()
    server:refresh(false, pause)
  end
  local ok, why = ngx.timer.every(interval or 1, look)
  if not ok then log('error', 'no timer: models will not be reloaded: ' .. tostring(why)) end
end

-- All of the body. Where it is longer than client_body_buffer_size it is in a file.
local function body()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  if text then return text end
  local file = ngx.req.get_body_file()
  file = file and io.open(file, 'rb')
  if not file then return '' end
  text = file:read('*a')
  file:close()
  return text
end

local function send(status, text, headers)
  ngx.status = status
  for name, value in pairs(headers or {}) do ngx.header[name] = value end
  ngx.header['Content-Type'] = 'application/json'
  ngx.header['Content-Length'] = #text
  ngx.print(text)
end

--- In content_by_lua: answers the request.
function binding.answer()
  send(server:handle(ngx.req.get_method(), ngx.var.uri, body))
end

local REASONS = {[400] = 'this is no valid request', [404] = 'there is nothing at this path',
  [405] = 'this method is not possible here', [408] = 'the request took too long',
  [411] = 'a Content-Length is needed', [413] = 'the body is too large',
  [414] = 'the path is too long', [494] = 'the headers are too large'}

--- In the location of error_page: what nginx itself refuses is told in JSON, too.
function binding.failure()
  local status = ngx.status
  local text = REASONS[status] or ('the server failed with status %d'):format(status)
  send(status == 494 and 400 or status, moonlet.serve.error(text))
end

return binding
