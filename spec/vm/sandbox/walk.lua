--- All functions in C that a script in a sandbox can get at, by the path on which each is found
-- first. Types of tensors and storages have the same ones, and stand here as one. Operations of the
-- table of operations are left out: each is a calculation.
local is_c = ...

local operations = {}
for _, row in ipairs(require('torch.core').describe()) do
  operations[row.name] = true
  for name in (row.aliases or ''):gmatch('%S+') do operations[name] = true end
end

local seen, found, queue = {}, {}, {}

local function add(path, value)
  local kind = type(value)
  if (kind ~= 'table' and kind ~= 'function' and kind ~= 'userdata' and kind ~= 'thread')
    or seen[value] then return end
  seen[value] = true
  if kind == 'function' then
    local of_lua = path:find('^_G%.') and not path:find('^_G%.torch%.')
    if is_c(value) and (of_lua or not operations[path:match('[^.]*$')]) then
      local name = path:gsub('%f[%a]%u%w*Tensor%f[%W]', '*Tensor')
      name = name:gsub('%f[%a]%u%w*Storage%f[%W]', '*Storage')
      found[name] = true
    end
    return
  end
  queue[#queue + 1] = {path, value}
end

local function name_of(key)
  return type(key) == 'string' and '.' .. key or '[' .. type(key) .. ']'
end

local function look_into(path, object)
  if type(object) == 'table' then
    local keys = {}
    for key in next, object do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(keys) do
      add(path .. '[key]', key)
      add(path .. name_of(key), rawget(object, key))
    end
  end
  local mt = getmetatable(object)
  if type(mt) == 'table' then add(path .. '{}', mt) end
end

-- what loads by itself is there to be found
for _, name in ipairs(require('moonlet.packages').list()) do
  if not name:find('selftest') and not name:find('^nn%.run') and not name:find('^train%.') then
    pcall(require, name)
  end
end

add('_G', _G)
add('string', getmetatable(''))
for _, make in ipairs {
  function() return torch.zeros(2) end, function() return torch.zeros(2):storage() end,
  function() return torch.Generator() end, function() return torch.MemoryFile() end,
  function() return (torch.ones(2, {requires_grad = true}) * 2):sum() end,
  function() return coroutine.wrap(function() end) end,
  function() return coroutine.create(function() end) end,
  function() return ('x'):gmatch('x') end, function() return pairs({}) end,
  function() return select(2, pcall(error, setmetatable({}, {}))) end,
  function() return require('torch.core') end, function() return require('moonlet.gzip') end,
  function() return require('moonlet.packages') end, function() return require('moonlet') end,
  function() return require('moonlet.packages').loaded end,
} do
  add('(value)', make())
end

local at = 1
while queue[at] do
  look_into(queue[at][1], queue[at][2])
  at = at + 1
end

local list = {}
for path in pairs(found) do list[#list + 1] = path end
table.sort(list)
return table.concat(list, '\n') .. '\n'
