-- What a finalizer may find when a state closes: objects that have been finalised before, and a
-- torch that is closed. Run by embed_spec.lua; has to end without a crash.
local objects = {}
local skipped = {test = true, include = true, help = true, PipeFile = true, DiskFile = true,
  save = true, saveobj = true, setnumthreads = true, from_pointer = true}

local function poke(object, mt)
  local tried = 0
  for _, key in ipairs {'__index', '__newindex', '__len', '__tostring', '__eq', '__add', '__call',
      '__unm', '__concat', '__lt', '__gc'} do
    local f = mt[key]
    if type(f) == 'function' then
      for _, other in ipairs {1, 'size', object} do
        pcall(f, object, other, 1)
        tried = tried + 1
      end
    end
  end
  for name, f in pairs(mt) do
    if type(f) == 'function' and type(name) == 'string' and name:sub(1, 2) ~= '__' then
      for _, arguments in ipairs {{}, {1}, {object}, {1, 2}, {object, object}} do
        pcall(f, object, (table.unpack or unpack)(arguments))
        tried = tried + 1
      end
    end
  end
  return tried
end

local function finalize()
  local tried = 0
  for _, object in ipairs(objects) do tried = tried + poke(object, debug.getmetatable(object)) end
  for name, f in pairs(torch) do
    if type(f) == 'function' and not skipped[name] then
      pcall(f)
      pcall(f, 2)
      pcall(f, objects[1], objects[1])
      tried = tried + 3
    end
  end
  io.stderr:write(tried > 1000 and 'tried\n' or 'hardly tried\n')
end

-- Made before torch, so that it is finalised after it.
local last
if newproxy then
  last = newproxy(true)
  getmetatable(last).__gc = finalize
else
  last = setmetatable({}, {__gc = finalize})
end
kept = last -- luacheck: ignore

local x = torch.ones(3)
x.requires_grad = true
objects = {torch.ones(2, 3), (x * 2):sum(), x, torch.LongStorage {1, 2}, torch.Generator(),
  torch.LongTensor {1, 2}, torch.zeros(0), torch.FloatStorage(4)}
local file = torch.MemoryFile('rw')
file:writeInt(3)
objects[#objects + 1] = rawget(debug.getmetatable(file) or {}, '__gc') and file or nil
