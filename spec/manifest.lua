--- The names of Torch7's library, by where they must answer. manifest_spec.lua walks it.
-- Facts of sections 1 to 4 of the compatibility manifest: classes, tensors and storages,
-- mathematics, utilities.
local manifest = {}

-- Functions torch.f.
manifest.functions = {
  classes = [[ class type typename isTypeOf factory getmetatable setmetatable newmetatable
    getconstructortable metatype pushudata isequal pointer version getenv setenv ]],
  tensors = [[ setdefaulttensortype getdefaulttensortype data cdata view viewAs expand expandAs
    repeatTensor split chunk permute totable ]],
  -- Torch7 has these as functions, and not as methods.
  linear_algebra = [[ gesv gels trtrs symeig eig svd inverse potrf potri potrs pstrf qr geqrf orgqr
    ormqr ]],
  random = [[ seed manualSeed initialSeed getRNGState setRNGState multinomialAliasSetup
    multinomialAlias ]],
  utilities = [[ isTensor isStorage tic toc setnumthreads getnumthreads getnumcores isatty
    setheaptracking updatethreadlocals updateerrorhandlers include packageLuaPath test ]],
  files = [[ save load saveobj loadobj serialize deserialize serializeToStorage
    deserializeFromStorage ]],
}

-- Both torch.f and methods of tensors.
manifest.mathematics = {
  -- The method changes its tensor.
  in_place = [[ add csub mul div fmod remainder mod lshift rshift bitand bitor bitxor clamp cmul
    cdiv cpow cfmod cremainder cmod clshift crshift cbitand cbitor cbitxor addcmul addcdiv cmin
    cmax pow sign renorm abs log log1p exp cos acos cosh sin asin sinh tan atan tanh sqrt rsqrt
    round ceil floor trunc frac sigmoid neg cinv atan2 lerp ]],
  -- The method stores into its tensor.
  destination = [[ zero fill zeros ones eye range linspace logspace randperm rand randn mv mm bmm
    ger addmv addmm addr addbmm baddbmm match random uniform normal cauchy logNormal exponential
    geometric bernoulli multinomial ]],
  -- The method gives something new.
  new = [[ sum prod mean std var norm max min median mode kthvalue sort topk cumsum cumprod cross
    diag tril triu trace cat histc bhistc squeeze gather reshape conv2 xcorr2 conv3 xcorr3 dot
    dist equal numel nonzero lt gt le ge eq ne all any ]],
}

-- Functions that take a number as well, and give one.
manifest.of_numbers = [[ abs log log1p exp cos acos cosh sin asin sinh tan atan tanh sqrt round
  ceil floor trunc frac pow atan2 ]]

-- Methods of tensors of every type.
manifest.tensor_methods = [[ new size stride dim nDimension nElement numel storage storageOffset
  isContiguous isSameSizeAs isSize isSetTo elementSize type narrow sub select transpose t permute
  unfold view viewAs expand expandAs squeeze split chunk set clone contiguous copy resize resizeAs
  repeatTensor reshape typeAs byte char short int long float double half real totable apply map map2
  index indexCopy indexAdd indexFill gather scatter maskedSelect maskedCopy maskedFill nonzero data
  cdata write read ]]

manifest.storage_methods = [[ new size copy fill resize totable elementSize type retain free write
  read data cdata ]]
manifest.byte_storage_methods = 'string' -- of ByteStorage and CharStorage

manifest.types = 'Byte Char Short Int Long Float Double Half'

-- Constructors torch.X: callable tables, whose metatable is the class.
manifest.constructors = [[ Tensor Storage File DiskFile MemoryFile PipeFile Timer CmdLine Tester
  TestSuite Generator ]]

-- Methods of the classes that are no tensors.
manifest.methods = {
  File = [[ readByte readChar readShort readInt readLong readFloat readDouble writeByte writeChar
    writeShort writeInt writeLong writeFloat writeDouble readString writeString readBool writeBool
    readObject writeObject ascii binary autoSpacing noAutoSpacing quiet pedantic seek seekEnd
    position synchronize close hasError clearError isQuiet isReadable isWritable isBinary
    isAutoSpacing referenced isReferenced isWritableObject ]],
  DiskFile = [[ isLittleEndianCPU nativeEndianEncoding littleEndianEncoding bigEndianEncoding
    longSize noBuffer readObject close ]],
  MemoryFile = 'storage longSize readObject close',
  PipeFile = 'readObject close',
  Timer = 'reset stop resume time',
  CmdLine = [[ text argument option parse default string log addTime silent help error ]],
  Tester = [[ add run disable assert asserteq assertne assertlt assertgt assertle assertge
    assertalmosteq eq ne assertGeneralEq assertGeneralNe assertTensorEq assertTensorNe
    assertTableEq assertTableNe assertError assertNoError assertErrorMsg assertErrorPattern
    assertErrorObj setEarlyAbort setRethrowErrors setSummaryOnly ]],
}

-- What is readable in the metatable of a class itself, without its parents.
manifest.class_fields = [[ __typename __version __metatable __index __newindex __tostring __add
  __sub __mul __div __mod __pow __unm __concat __len __eq __lt __le __call __factory __constructor
  new ]]

-- Globals of the program `th`.
manifest.th_globals = [[ include string.gfind table.unpack table.pack unpack loadstring setfenv
  getfenv math.pow math.log10 math.ldexp table.maxn torch.class ]]

--- The names in a text, in order.
function manifest.names(text)
  local out = {}
  for name in text:gmatch('%S+') do out[#out + 1] = name end
  return out
end

return manifest
