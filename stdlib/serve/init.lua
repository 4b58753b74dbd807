--- Saved models behind TensorFlow Serving's REST form. Knows no HTTP server: a host hands over
-- method, path and body, and sends what it gets back.
--
--   local server = serve.new{folder = 'models'}     -- models/NAME.t7, models/NAME/3.t7
--   local status, body, headers = server:handle('POST', '/v1/models/mnist:predict', text)
--   server:refresh()                                -- once a second: loads what has changed
--
-- Loading runs no code of the files; see torch.load. Whatever the request, `handle` returns.
local torch = require 'torch'
local core = require 'torch.core'
local json = require 'serve.json'
local model = require 'serve.model'
local request = require 'serve.request'

local serve = {}

local Server = {}
Server.__index = Server

-- ---------------------------------------------------------------------------------------------
-- Opening.

local OPTIONS = {folder = 'string', models = 'table', packages = 'table', log = 'function',
  defaults = 'table', memory = 'number'}
local MODEL_OPTIONS = {path = 'string', inputs = 'table', outputs = 'table', dtype = 'string',
  keep = 'number'}

local function check(given, known, what)
  for name, value in pairs(given) do
    if known[name] == nil then
      error(('serve.new: %s has no option "%s"'):format(what, tostring(name)), 4)
    elseif type(value) ~= known[name] then
      error(('serve.new: %s: %s must be a %s, got %s'):format(what, name, known[name],
        type(value)), 4)
    end
  end
end

local function check_options(options)
  check(options, OPTIONS, 'a server')
  check(options.defaults or {}, MODEL_OPTIONS, 'defaults')
  for name, given in pairs(options.models or {}) do
    check(given, MODEL_OPTIONS, ('model "%s"'):format(tostring(name)))
    if not given.path and not options.folder then
      error(('serve.new: model "%s" has no path'):format(tostring(name)), 3)
    end
  end
  if not options.folder and not options.models then
    error('serve.new: a folder, or models, expected', 3)
  end
end

--- new(options) -> a server with all models loaded that can be.
--   folder    where files NAME.t7 and folders NAME/ with numbered files are models; those that
--             appear later are found, too
--   models    {name = {path=, inputs=, outputs=, dtype=, keep=}}, more models, or what is to be
--             known about those of the folder; see serve.model
--   defaults  the same fields, for all models that do not have their own
--   packages  that define the classes in the files ({'nn'}); 'nngraph', 'rnn', 'dpnn' are others
--   memory    bytes that all tensors may take, models included; a request that needs more is
--             answered by 503. Without it there is no limit
--   log       log(level, text), level 'info' or 'error'; nothing is written without it
function serve.new(options)
  check_options(options)
  local self = setmetatable({folder = options.folder, given = options.models or {},
    defaults = options.defaults or {}, models = {}, log = options.log or function() end}, Server)
  for _, name in ipairs(options.packages or {'nn'}) do require(name) end
  if options.memory then torch.set_memory_limit(options.memory) end
  self:refresh(true)
  return self
end

-- ---------------------------------------------------------------------------------------------
-- Files.

-- name -> path of the models in the folder.
local function in_folder(folder)
  local names, why = core.folder_names(folder)
  if not names then return nil, why end
  local found = {}
  for _, entry in ipairs(names) do
    local name = entry:match('^([%w_][%w_.%-]*)%.t7$') or entry:match('^[%w_][%w_.%-]*$')
    local kind = name and core.file_stamp(folder .. '/' .. entry)
    if kind == 'folder' or (kind == 'file' and entry:find('%.t7$')) then
      found[name] = folder .. '/' .. entry
    end
  end
  return found
end

function Server:options_of(name)
  local options = {}
  for key, value in pairs(self.defaults) do options[key] = value end
  for key, value in pairs(self.given[name] or {}) do options[key] = value end
  return options
end

-- All models there are: name -> path.
function Server:paths()
  local found = {}
  if self.folder then
    local why
    found, why = in_folder(self.folder)
    if not found then return nil, why end
  end
  for name, given in pairs(self.given) do found[name] = given.path or found[name] end
  return found
end

--- Looks for files that are new or have changed, and loads them; ask for it once a second. What is
-- in service stays so until its successor is ready. first: load at once, without a second look.
-- pause: a function that is called again and again while a file is read, and may yield; other
-- calls of refresh meanwhile do nothing.
function Server:refresh(first, pause)
  if self.refreshing then return end
  self.refreshing = true
  local ok, why = pcall(self.refresh_now, self, first, pause)
  self.refreshing = false
  if not ok then self.log('error', 'while looking for models: ' .. tostring(why)) end
end

function Server:refresh_now(first, pause)
  local paths, why = self:paths()
  if not paths then
    if self.trouble ~= why then self.log('error', why) end
    self.trouble = why
    return
  end
  self.trouble = nil
  for name, path in pairs(paths) do
    local known = self.models[name] or model.new(name, path, self:options_of(name))
    self.models[name], known.path = known, path
  end
  for name, known in pairs(self.models) do
    known:refresh(self.log, first, pause)
    if known.missing >= 2 and not paths[name] then self.models[name] = nil end
  end
end

-- ---------------------------------------------------------------------------------------------
-- Answers.

local function failure(status, message, ...)
  if select('#', ...) > 0 then message = message:format(...) end
  return status, ('{"error":%s}'):format(json.encode(message))
end

--- The body of an error, for a host that has found one itself.
function serve.error(message)
  return select(2, failure(0, '%s', message))
end

-- Gives the memory of a request's numbers back at once: waiting for the collector, some thousand
-- requests would drive the model out of the processor's caches.
local function release(input)
  for _, tensor in ipairs(type(input) == 'table' and input or {input}) do tensor:set() end
end

local function run(version, body)
  local signature = version.signature
  local input, count = request.read(body, signature)
  local text = request.write(version.run(input), count, signature)
  release(input)
  return text
end

-- The message without the place in our own files, which helps nobody who cannot see them.
local function plain(message)
  return (message:gsub('^[%w_/.%-]+%.lua:%d+: ', ''))
end

--- predict(name [, version], body) -> status, body.
function Server:predict(name, number, body)
  local version = self:find(name, number)
  if not version then return self:missing(name, number) end
  local ok, result = pcall(run, version, body)
  if ok then return 200, result end
  if type(result) == 'table' and result.refused then return failure(400, '%s', result.refused) end
  if type(result) ~= 'string' then return failure(500, 'the model failed') end
  if result:find('memory', 1, true) then return failure(503, '%s', plain(result)) end
  return failure(400, '%s', plain(result))
end

function Server:find(name, number)
  local known = self.models[name]
  return known and known:version(number)
end

function Server:missing(name, number)
  if not self.models[name] then return failure(404, 'there is no model "%s"', name) end
  if number then
    return failure(404, 'model "%s" has no version %.0f in service', name, number)
  end
  return failure(404, 'model "%s" has no version in service', name)
end

local function version_status(number, state, code, message)
  return {number = number, version = ('%.0f'):format(number), state = state,
    status = {error_code = code, error_message = message}}
end

local function newest_first(a, b)
  return a.number > b.number
end

--- status(name [, version]) -> status, body: the versions in service and those that would not load.
function Server:status(name, number)
  local known = self.models[name]
  if not known then return self:missing(name) end
  local list = {}
  for n in pairs(known.versions) do
    if not number or n == number then
      list[#list + 1] = version_status(n, 'AVAILABLE', 'OK', '')
    end
  end
  for n, failed in pairs(known.failed) do
    if not known.versions[n] and (not number or n == number) then
      list[#list + 1] = version_status(n, 'END', 'UNKNOWN', failed.message)
    end
  end
  if #list == 0 then return self:missing(name, number) end
  table.sort(list, newest_first)
  for _, entry in ipairs(list) do entry.number = nil end
  return 200, json.encode{model_version_status = list}
end

local DTYPES = {Float = 'DT_FLOAT', Double = 'DT_DOUBLE', Half = 'DT_HALF', Long = 'DT_INT64',
  Int = 'DT_INT32', Short = 'DT_INT16', Char = 'DT_INT8', Byte = 'DT_UINT8', Bool = 'DT_BOOL',
  BFloat16 = 'DT_BFLOAT16'}

local function tensor_info(name, dtype)
  return {name = name, dtype = dtype, tensor_shape = {unknown_rank = true}}
end

--- metadata(name [, version]) -> status, body: names and types. Modules know no sizes.
function Server:metadata(name, number)
  local version = self:find(name, number)
  if not version then return self:missing(name, number) end
  local signature, inputs, outputs = version.signature, {}, {}
  local dtype = DTYPES[signature.dtype:match('^torch%.(.*)Tensor$')] or 'DT_INVALID'
  for _, input in ipairs(signature.inputs) do inputs[input] = tensor_info(input, dtype) end
  local names = #signature.outputs > 0 and signature.outputs or {'output'}
  for _, output in ipairs(names) do outputs[output] = tensor_info(output, 'DT_FLOAT') end
  local definition = {inputs = inputs, outputs = outputs,
    method_name = 'tensorflow/serving/predict'}
  return 200, json.encode{
    model_spec = {name = name, signature_name = '',
      version = ('%.0f'):format(number or self.models[name].newest)},
    metadata = {signature_def = {signature_def = {[signature.name] = definition}}},
  }
end

-- ---------------------------------------------------------------------------------------------
-- Paths.

-- '/v1/models/NAME[/versions/N][:predict | /metadata]' -> name, version, what; or nil.
local function parse(path)
  local rest = path:match('^/v1/models/(.+)$')
  if not rest then return nil end
  local stem, verb = rest:match('^(.-):(%a+)$')
  if not stem then stem, verb = rest:match('^(.-)/(metadata)$') end
  stem = stem or rest
  local name, number = stem:match('^([^/:]+)/versions/(%d+)$')
  name = name or stem:match('^[^/:]+$')
  if number and #number > 15 then return nil end
  return name, tonumber(number), verb
end

local function wrong_method(allowed)
  local status, body = failure(405, 'only %s is possible here', allowed)
  return status, body, {Allow = allowed}
end

--- handle(method, path, body) -> status, body, headers: body is JSON, headers a table or nil. body
-- may be a function, which is called for what only some requests have.
function Server:handle(method, path, body)
  local name, number, verb = parse(path)
  if not name then return failure(404, 'there is nothing at this path') end
  if verb == 'predict' then
    if method ~= 'POST' then return wrong_method('POST') end
    if type(body) == 'function' then body = body() end
    return self:predict(name, number, body)
  end
  if verb and verb ~= 'metadata' then
    return failure(404, 'models have no method "%s", only "predict"', verb)
  end
  if method ~= 'GET' and method ~= 'HEAD' then return wrong_method('GET, HEAD') end
  if verb then return self:metadata(name, number) end
  return self:status(name, number)
end

return serve
