--- x:apply(f), x:map(y, f), x:map2(y, z, f): f's result, unless nil, replaces each element of x.
--
-- On LuaJIT the loop is Lua over pointers, which is compiled together with f. Every function gets a
-- loop of its own, made from text: of one shared loop the compiler would soon despair.
local core = require 'torch.core'
local class = require 'torch.class'

local unpack = table.unpack or unpack

local has_ffi, ffi = pcall(require, 'ffi')
local compiles = has_ffi and rawget(_G, 'jit') and rawget(_G, 'loadstring')
  and rawget(_G, 'debug') and debug.getinfo

-- Below so many elements a loop costs more than it gives.
local FEW = 128
local MOST_LOOPS = 200

-- Half and bfloat16 have no C type.
local pointer_types = {
  Byte = 'uint8_t *', Char = 'int8_t *', Short = 'int16_t *', Int = 'int32_t *',
  Long = 'int64_t *', Float = 'float *', Double = 'double *', Bool = 'uint8_t *',
}

local function kind_of(x)
  return class.typename(x):match('^torch%.(%a+)Tensor$')
end

-- Dimensions that run on in memory, in all of the tensors alike, are one. Returns the sizes and, of
-- each tensor, the strides; innermost last.
local function layout(tensors)
  local x = tensors[1]
  local sizes, strides = {}, {}
  for k = 1, #tensors do strides[k] = {} end
  for d = 1, x:dim() do
    local last, joins = #sizes, #sizes > 0
    for k, t in ipairs(tensors) do
      joins = joins and strides[k][last] == t:stride(d) * x:size(d)
    end
    if joins then sizes[last] = sizes[last] * x:size(d) else sizes[last + 1] = x:size(d) end
    for k, t in ipairs(tensors) do strides[k][#sizes] = t:stride(d) end
  end
  return sizes, strides
end

local function flat_layout(tensors, count)
  local strides = {}
  for k = 1, #tensors do strides[k] = {1} end
  return {count}, strides
end

-- nil when the tensors are laid out so differently that no nest of loops serves them all.
local function common_layout(tensors, count)
  local flat, alike = true, true
  for _, t in ipairs(tensors) do
    flat = flat and t:isContiguous()
    alike = alike and t:isSameSizeAs(tensors[1])
  end
  if flat then return flat_layout(tensors, count) end
  if alike then return layout(tensors) end
end

-- The text of a loop over `dims` dimensions of `count` tensors. A storage that grows moves: so
-- before anything is written the addresses are compared, in halves that are plain numbers.
local function loop_text(dims, kinds)
  local out = {'local refuse, moved = ...\nreturn function(f, n, s, p, c)\n'}
  local function put(...) out[#out + 1] = string.format(...) end
  local count = #kinds
  for k = 1, count do
    put('local p%d, c%d = p[%d], c[%d]\nlocal l%d, h%d = c%d[0], c%d[1]\n', k, k, k, k, k, k, k, k)
    for d = 1, dims do put('local s%d_%d = s[%d][%d]\n', k, d, k, d) end
    put('local o%d_0 = 0\n', k)
  end
  for d = 1, dims do
    put('for i%d = 0, n[%d] - 1 do\n', d, d)
    for k = 1, count do put('local o%d_%d = o%d_%d + i%d * s%d_%d\n', k, d, k, d - 1, d, k, d) end
  end
  local values, same = {}, {}
  for k, kind in ipairs(kinds) do
    values[k] = ('p%d[o%d_%d]'):format(k, k, dims)
    if kind == 'Long' then values[k] = 'tonumber(' .. values[k] .. ')' end
    same[k] = ('if c%d[0] ~= l%d or c%d[1] ~= h%d then moved(%d) end\n'):format(k, k, k, k, k)
  end
  put('local v = f(%s)\n', table.concat(values, ', '))
  put('%s', table.concat(same))
  put("if v ~= nil then\nif type(v) ~= 'number' then v = refuse(v) end\n")
  put('p1[o1_%d] = %s\nend\n', dims, kinds[1] == 'Bool' and '(v ~= 0) and 1 or 0' or 'v')
  put('%send\n', ('end\n'):rep(dims))
  return table.concat(out)
end

local names = {'apply', 'map', 'map2'} -- by the number of tensors
local LEVEL = 5 -- from here to the caller: the loop, run, the method

local function moved_error(count)
  return function(k, level)
    error(('%s: the function changed the size of argument %d'):format(names[count], k),
      level or LEVEL)
  end
end

local function refusal(count)
  return function(value)
    local number = tonumber(value)
    if number then return number end
    error(('%s: the function must return a number or nothing, got %s'):format(names[count],
      type(value)), LEVEL)
  end
end

-- The loops made so far, by the place where the function is written and by what they run over.
local loops, loop_count = {}, 0

local function loop_for(f, dims, kinds)
  local info = debug.getinfo(f, 'S')
  local key = table.concat({info.source, info.linedefined, dims, table.concat(kinds, ' ')}, '\n')
  local loop = loops[key]
  if loop then return loop end
  if loop_count >= MOST_LOOPS then loops, loop_count = {}, 0 end
  loop = assert(loadstring(loop_text(dims, kinds), '=apply')) -- luacheck: ignore
  loop = loop(refusal(#kinds), moved_error(#kinds))
  loops[key], loop_count = loop, loop_count + 1
  return loop
end

local function run(f, tensors, count)
  local kinds, pointers, cells, keep = {}, {}, {}, {}
  for k, t in ipairs(tensors) do
    kinds[k] = kind_of(t)
    if not pointer_types[kinds[k]] then return false end
  end
  local sizes, strides = common_layout(tensors, count)
  if not sizes then return false end
  for k, t in ipairs(tensors) do
    keep[k] = t:storage() -- lives as long as the loop, whatever f does
    pointers[k] = ffi.cast(pointer_types[kinds[k]], core.data_pointer(t))
    cells[k] = ffi.cast('int32_t *', core.data_cell(t))
  end
  loop_for(f, #sizes, kinds)(f, sizes, strides, pointers, cells)
  for k, t in ipairs(tensors) do
    if t:nElement() ~= count then moved_error(#kinds)(k, 4) end
  end
  return #keep > 0
end

-- Of a GPU's tensors a copy is changed, and comes back.
local function through_cpu(wanted, plain, x, ...)
  local others = {...}
  for k = 1, wanted - 1 do
    if core.is_tensor(others[k]) then others[k] = others[k]:cpu() end
  end
  return x:copy(plain(x:cpu(), unpack(others, 1, wanted)))
end

local function mapper(wanted)
  local name = names[wanted]
  local plain = core[name]
  return function(...)
    local x = ...
    if type(x) == 'userdata' and core.is_tensor(x) and x.is_cuda then
      return through_cpu(wanted, plain, ...)
    end
    local good, count = pcall(core.begin_map, wanted, name, ...)
    if not good then error(count, 2) end
    if not compiles or not count or count < FEW or not jit.status() then -- luacheck: ignore
      return plain(...)
    end
    local tensors = {...}
    local f = tensors[wanted + 1]
    tensors[wanted + 1] = nil
    if not run(f, tensors, count) then return plain(...) end
    return tensors[1]
  end
end

return {apply = mapper(1), map = mapper(2), map2 = mapper(3)}
