--- Typed pointers to tensor memory, for loops that LuaJIT compiles to machine code.
local core = require 'torch.core'
local class = require 'torch.class'

local has_ffi, ffi = pcall(require, 'ffi')

-- Half and bfloat16 have no C type: their bits are shown.
local pointers = {
  Byte = 'uint8_t *', Char = 'int8_t *', Short = 'int16_t *', Int = 'int32_t *',
  Long = 'int64_t *', Float = 'float *', Double = 'double *', Half = 'uint16_t *',
  BFloat16 = 'uint16_t *', Bool = 'uint8_t *',
}

local module = {}

--- x:data(), storage:data(): a pointer to the first element, counted from 0.
-- It is good for as long as the tensor or storage is alive and is not resized.
function module.data(object)
  local kind = (class.typename(object) or ''):match('^torch%.(%w+)Tensor$')
    or (class.typename(object) or ''):match('^torch%.(%w+)Storage$')
  if not pointers[kind] then
    error(('data: tensor or storage expected, got %s'):format(class.type(object)), 2)
  end
  if not has_ffi then error('data: pointers need LuaJIT; this is ' .. _VERSION, 2) end
  return ffi.cast(pointers[kind], core.data_pointer(object))
end

return module
