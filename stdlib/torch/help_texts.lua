--- Help for the functions and methods that are no rows of the operation table.
-- name -> how it is called, then what it does. Methods come after the functions.
local texts = {
  -- New tensors. OPTIONS is a type's name or {dtype=, requires_grad=}, as the last argument.
  zeros = 'torch.zeros([res,] sizes... [, options])\n  A tensor of zeros.',
  ones = 'torch.ones([res,] sizes... [, options])\n  A tensor of ones.',
  full = 'torch.full(sizes..., value)\n  A tensor of one value.',
  empty = 'torch.empty(sizes... [, options])\n  A tensor whose values are undefined.',
  rand = 'torch.rand([res,] [gen,] sizes... [, options])\n  Even random numbers from 0 up to 1.',
  randn = 'torch.randn([res,] [gen,] sizes... [, options])\n'
    .. '  Random numbers of the normal distribution: mean 0, deviation 1.',
  zeros_like = 'torch.zeros_like(x)\n  Zeros of the type and sizes of x.',
  ones_like = 'torch.ones_like(x)\n  Ones of the type and sizes of x.',
  rand_like = 'torch.rand_like(x)\n  Even random numbers of the type and sizes of x.',
  randn_like = 'torch.randn_like(x)\n  Normal random numbers of the type and sizes of x.',
  empty_like = 'torch.empty_like(x)\n  A tensor of the type and sizes of x, its values undefined.',
  tensor = 'torch.tensor(number or nested table [, options])\n'
    .. '  A tensor of these values; one of no dimension for a number.',
  Tensor = 'torch.Tensor(sizes...)  torch.Tensor{values}  torch.Tensor(storage [, offset, ...])\n'
    .. '  A tensor of the default type; torch.FloatTensor and its relatives are of theirs.',
  full_like = 'torch.full_like(x, value [, options])\n  One value, in the type and sizes of x.',
  empty_strided = 'torch.empty_strided({sizes}, {strides} [, options])\n'
    .. '  A tensor of these sizes and strides, its values undefined.',
  new_zeros = 'x:new_zeros(sizes... [, options])\n  Zeros of the type of x, where x is.',
  new_ones = 'x:new_ones(sizes... [, options])\n  Ones of the type of x, where x is.',
  new_empty = 'x:new_empty(sizes... [, options])\n  Undefined values of the type of x.',
  new_full = 'x:new_full({sizes}, value [, options])\n  One value, in the type of x.',
  new_tensor = 'x:new_tensor(values [, options])\n  What torch.tensor makes, in the type of x.',
  as_tensor = 'torch.as_tensor(values [, options])\n  The same as torch.tensor.',
  fromtable = 'torch.fromtable(nested table [, options])\n  The same as torch.tensor.',
  from_table = 'torch.from_table(nested table [, options])\n  The same as torch.tensor.',
  from_string = "torch.from_string('torch.ByteTensor', bytes)\n  A vector of what a string holds.",
  scalar_tensor = "torch.scalar_tensor('torch.FloatTensor', storage, offset)\n"
    .. '  A tensor of no dimension: one element of a storage.',

  -- Random numbers and defaults.
  -- A generator may come first where random numbers are drawn: torch.rand(gen, 3).
  manualSeed = 'torch.manualSeed([gen,] seed)\n  The same seed gives the same random numbers.',
  seed = 'torch.seed([gen])\n  Takes a new seed from the system, and returns it.',
  initialSeed = 'torch.initialSeed([gen])\n  The seed in use.',
  getRNGState = 'torch.getRNGState([gen])\n  Where the random numbers stand, for setRNGState.',
  setRNGState = 'torch.setRNGState([gen,] state)\n  Goes back to where getRNGState was called.',
  manual_seed = 'torch.manual_seed([gen,] seed)\n  torch.manualSeed.',
  initial_seed = 'torch.initial_seed([gen])\n  torch.initialSeed.',
  get_rng_state = 'torch.get_rng_state([gen])\n  torch.getRNGState.',
  set_rng_state = 'torch.set_rng_state([gen,] state)\n  torch.setRNGState.',
  multinomialAliasSetup = 'torch.multinomialAliasSetup(p [, state])\n'
    .. '  Tables from which torch.multinomialAlias draws, whatever their length, in no time.',
  multinomialAlias = 'torch.multinomialAlias([gen,] x, state)\n'
    .. '  Fills x with indices drawn from the tables of multinomialAliasSetup.',
  randint = 'torch.randint([gen,] [low=0,] high, sizes [, options])\n'
    .. '  Random integers from low to below high: int64, unless options say otherwise.',
  randint_like = 'torch.randint_like(x, [low=0,] high [, options])\n'
    .. '  Random integers from low to below high, of the type and sizes of x.',
  setdefaulttensortype = "torch.setdefaulttensortype('torch.DoubleTensor')\n"
    .. '  The type of torch.Tensor, torch.zeros, torch.randn and their like.',
  getdefaulttensortype = 'torch.getdefaulttensortype()\n  The name of the default type.',
  setnumthreads = 'torch.setnumthreads(n)\n  How many threads calculate; 0: one per core.',
  getnumthreads = 'torch.getnumthreads()\n  How many threads calculate.',
  memory = 'torch.memory()\n  {live=, peak=, cached=} in bytes, and storages=, of all tensors.',
  set_memory_limit = 'torch.set_memory_limit(bytes)\n'
    .. '  The most that all tensors may hold, 0 for no limit; returns what it was.',
  peak_memory = 'torch.peak_memory()\n  The most memory the process has had, in bytes.',

  -- Gradients.
  grad = 'torch.grad(outputs, inputs [, gradients of outputs] [, options])\n'
    .. '  The gradients of the inputs, without touching any .grad.',
  no_grad = 'torch.no_grad(f, ...)\n  Calls f(...) and records no gradients meanwhile.',
  enable_grad = 'torch.enable_grad(f, ...)\n  Calls f(...) and records gradients meanwhile.',
  set_grad_enabled = 'torch.set_grad_enabled(flag)\n  Switches recording; returns what it was.',
  is_grad_enabled = 'torch.is_grad_enabled()\n  Whether gradients are recorded.',
  plan = 'torch.plan\n  What model:freeze() is made of: p = begin{examples} notes all operations '
    .. 'on input(p, i) until\n  finish(p, {results}); then run(p, x, ...) repeats them, and '
    .. 'output(p, i) has what they give;\n  describe(p), release(p), active().',
  autocast = "torch.autocast(['bfloat16',] f, ...)\n  Calls f(...); meanwhile matrix products and "
    .. 'convolutions of float32 tensors\n  calculate in 16 bits, and what needs more precision '
    .. "does not. 'float16': in that type;\n  false: switches it off inside.",
  set_autocast = 'torch.set_autocast(dtype or false)\n'
    .. '  Switches mixed precision, see torch.autocast; returns what it was.',
  get_autocast = 'torch.get_autocast()\n'
    .. "  The dtype of mixed precision, such as 'bfloat16', or false.",
  record = 'torch.record(f, inputs, outputs)\n'
    .. '  f(gradients of outputs) will give the gradients of the inputs.',
  backward = 'y:backward([gradient] [, {retain_graph=, create_graph=}])\n'
    .. '  Adds the gradients of y to .grad of all that it was calculated from.',
  detach = 'x:detach()\n  The same values without their history.',
  requiresGrad = 'x:requiresGrad([flag])\n  Asks for gradients of x; returns x.',

  -- Asking.
  numel = 'x:numel()\n  The number of elements.',
  nElement = 'x:nElement()\n  The number of elements.',
  equal = 'torch.equal(x, y)\n  Whether sizes and all values are the same.',
  totable = 'x:totable()\n  The values as nested tables.',
  totable_flat = 'torch.totable_flat(x)\n  The values row by row in one table.',
  item = 'x:item()\n  The value of a tensor of one element, as a number.',
  size = 'x:size([dim])\n  All sizes as a LongStorage, or one as a number.',
  stride = 'x:stride([dim])\n  How far neighbours of each dimension are apart in the storage.',
  dim = 'x:dim()\n  The number of dimensions.',
  nDimension = 'x:nDimension()\n  The number of dimensions.',
  storage = 'x:storage()\n  The storage that holds the values.',
  storageOffset = 'x:storageOffset()\n  Where in the storage the first element is, from 1.',
  elementSize = 'x:elementSize()\n  The bytes of an element.',
  isContiguous = 'x:isContiguous()\n  Whether the elements lie one after the other.',
  isSameSizeAs = 'x:isSameSizeAs(y)\n  Whether the sizes are the same.',
  isSetTo = 'x:isSetTo(y)\n  Whether both are the same view of one storage.',
  isSize = 'x:isSize(sizes)\n  Whether these are the sizes of x.',
  data = 'x:data([as_number])\n'
    .. '  A pointer of LuaJIT\'s FFI to the first element, such as float *.',
  cdata = 'x:cdata()\n'
    .. '  A pointer of LuaJIT\'s FFI to a struct with the fields of Torch7\'s tensors.',
  from_pointer = 'torch.from_pointer(pointer, sizes [, dtype [, owner]])\n'
    .. '  A tensor that shows memory of the host; owner lives as long as it does.',
  from_ffi = 'torch.from_ffi(array [, sizes [, dtype]])\n'
    .. '  A tensor that shows an array of LuaJIT\'s FFI, and keeps it alive.',
  pushudata = 'torch.pushudata(pointer, name)\n'
    .. '  The tensor or storage of this type that a pointer of torch.cdata describes.',
  data_pointer = 'torch.data_pointer(x)\n  The address of the first element as a light userdata.',

  -- Shapes and types.
  split = 'x:split(size or {sizes} [, dim])  torch.split([table,] x, size [, dim])\n'
    .. '  A table of parts of that size, or these, along a dimension (default 1).',
  chunk = 'x:chunk(n [, dim])  torch.chunk([table,] x, n [, dim])\n'
    .. '  A table of n parts along a dimension (default 1).',
  tensor_split = 'x:tensor_split(n or {cuts} [, dim])\n'
    .. '  n parts of nearly one size, or parts that end after these indices.',
  hsplit = 'x:hsplit(n or {cuts})\n  Parts of the columns; of a vector, of its elements.',
  vsplit = 'x:vsplit(n or {cuts})\n  Parts of the rows.',
  dsplit = 'x:dsplit(n or {cuts})\n  Parts of the third dimension.',
  unbind = 'x:unbind([dim])\n  A table of the slices of a dimension (default 1).',
  movedim = 'x:movedim(from, to)\n  Dimensions, one or a table, at other places.',
  moveaxis = 'x:moveaxis(from, to)\n  The same as movedim.',
  as_strided = 'x:as_strided({sizes}, {strides} [, offset])\n'
    .. '  Any view of what x is stored in; the offset counts from 1.',
  atleast_1d = 'torch.atleast_1d(x, ...)\n  x with at least one dimension.',
  atleast_2d = 'torch.atleast_2d(x, ...)\n  x with at least two dimensions; a vector is a row.',
  atleast_3d = 'torch.atleast_3d(x, ...)\n  x with at least three dimensions.',
  broadcast_shapes = 'torch.broadcast_shapes({sizes}, ...)\n  The sizes that all broadcast to.',
  broadcast_tensors = 'torch.broadcast_tensors(x, y, ...)\n'
    .. '  Each expanded to the sizes that all broadcast to.',
  meshgrid = "torch.meshgrid(x, y, ... [, 'ij' or 'xy'])\n"
    .. '  For each vector a tensor of its values all over the grid.',
  cartesian_prod = 'torch.cartesian_prod(x, y, ...)\n'
    .. '  A row for each choice of one element of every vector.',
  combinations = 'x:combinations([r = 2] [, with_replacement])\n'
    .. '  A row for each choice of r elements of a vector.',
  block_diag = 'torch.block_diag(x, y, ...)\n  The matrices along the diagonal of a large one.',
  tril_indices = 'torch.tril_indices(rows, columns [, offset])\n'
    .. '  Row and column indices of the lower triangle, in two rows.',
  triu_indices = 'torch.triu_indices(rows, columns [, offset])\n'
    .. '  Row and column indices of the upper triangle, in two rows.',
  index_put = 'x:index_put({keys}, values [, accumulate])\n'
    .. '  x[{keys}] = values, or += ; the function makes a copy of x first.',
  sub = 'x:sub(first1, last1 [, first2, last2 ...])\n  The part between indices; -1 is the last.',
  viewAs = 'x:viewAs(y)\n  The same values in the sizes of y.',
  expandAs = 'x:expandAs(y)\n  x repeated, without copying, to the sizes of y.',
  reshapeAs = 'x:reshapeAs(y)\n  The same values in the sizes of y, copied where they must be.',
  resize = 'x:resize(sizes...)\n  Changes the sizes of x itself; new values are undefined.',
  resizeAs = 'x:resizeAs(y)\n  Changes the sizes of x to those of y.',
  contiguous = 'x:contiguous()\n  x itself, or a copy whose elements lie one after the other.',
  set = 'x:set(y)  x:set(storage [, offset, sizes, strides])\n  Makes x that view.',
  new = 'x.new(...)\n  What the constructor of x\'s type makes; x:new() is a view of x.',
  type = "x:type(['torch.FloatTensor'])  torch.type(anything)\n"
    .. '  The name of the type; with a name, x converted to it.',
  to = "x:to('float32')  x:to('cuda:1')  x:to{dtype=, device=}  x:to(y)\n"
    .. '  x as that type, on that device; x itself where it is so already. With {non_blocking = true}\n'
    .. '  as a last argument, a copy between pinned memory and a GPU is not waited for.',
  cuda = 'x:cuda([number] [, {non_blocking = true}])\n'
    .. '  x on the current GPU, or on the one of that number, from 1.',
  pin_memory = 'x:pin_memory()\n  x in memory that a GPU reaches by itself, for copies beside work.',
  is_pinned = 'x:is_pinned()\n  Whether pin_memory made it.',
  copyAsync = 'x:copyAsync(y)\n'
    .. '  x:copy(y), but between pinned memory and a GPU without waiting until it is done.',
  cpu = 'x:cpu()\n  x in the memory of the CPU.',
  is_tensor = 'torch.is_tensor(anything)\n  Whether it is a tensor.',
  is_floating_point = 'x:is_floating_point()\n  Whether the type has fractions.',
  dtype_name = "torch.dtype_name('torch.FloatTensor')\n  'float32'; nil for what is no type.",
  promote_types = "torch.promote_types('int64', 'float32')\n  The type in which both fit.",
  result_type = 'torch.result_type(x, y)\n  The type of x + y; either may be a number.',
  can_cast = "torch.can_cast('float32', 'int64')\n"
    .. '  Whether the kind of the values survives the conversion.',
  finfo = "torch.finfo(['float32'])\n  Its eps, max, min, tiny, resolution and bits.",
  iinfo = "torch.iinfo('int64')\n  Its max, min and bits.",
  typeAs = 'x:typeAs(y)\n  x converted to the type of y.',
  apply = 'x:apply(f)\n  Replaces each element by what f(element) returns, unless that is nil.',
  map = 'x:map(y, f)\n  Replaces each element by what f(of x, of y) returns, unless that is nil.',
  map2 = 'x:map2(y, z, f)\n  The same with three tensors.',

  write = 'x:write(file)\n  Writes sizes and values to a torch.File, without a name of the type.',
  read = 'x:read(file)\n  Becomes what x:write(file) has written.',
  -- Signals and images. Complex numbers are pairs in a last dimension of two.
  complex = 'torch.complex(real [, imaginary])\n  Pairs from two tensors; without the second, 0.',
  real = 'torch.real(x)  x:real()\n  The function: the real parts of complex numbers, a view. The '
    .. "method, Torch7's: x in the default type.",
  imag = 'torch.imag(x)\n  The imaginary parts of complex numbers: a view.',
  conj = 'torch.conj(x)\n  Complex numbers with their imaginary parts negated.',
  complex_mul = 'torch.complex_mul(x, y)\n  Products of complex numbers.',
  complex_div = 'torch.complex_div(x, y)\n  Quotients of complex numbers.',
  complex_abs = 'torch.complex_abs(x)\n  Absolute values of complex numbers.',
  complex_angle = 'torch.complex_angle(x)\n  Angles of complex numbers, in radians.',
  polar = 'torch.polar(abs, angle)\n  Complex numbers of these absolute values and angles.',
  hann_window = 'torch.hann_window(n [, periodic=true] [, options])\n  0.5 - 0.5 cos(2 pi k / n).',
  hamming_window = 'torch.hamming_window(n [, periodic=true] [, alpha=0.54] [, beta=0.46])\n'
    .. '  alpha - beta cos(2 pi k / n).',
  blackman_window = 'torch.blackman_window(n [, periodic=true] [, options])\n'
    .. '  0.42 - 0.5 cos(2 pi k / n) + 0.08 cos(4 pi k / n).',
  bartlett_window = 'torch.bartlett_window(n [, periodic=true] [, options])\n  A triangle.',
  kaiser_window = 'torch.kaiser_window(n [, periodic=true] [, beta=12] [, options])\n'
    .. '  I0(beta sqrt(1 - x^2)) / I0(beta), x from -1 to 1.',
  stft = 'torch.stft(x, n_fft [, hop_length] [, win_length] [, window] [, center=true] '
    .. "[, pad_mode='reflect'] [, normalized=false] [, onesided=true])\n"
    .. '  Fourier transforms of overlapping pieces of a signal: (batch, frequencies, pieces, 2).',
  istft = 'torch.istft(x, n_fft [, hop_length] [, win_length] [, window] [, center=true] '
    .. '[, normalized=false] [, onesided=true] [, length])\n  The signal with this stft.',
  affine_grid = 'torch.affine_grid(theta, {batch, channels, height, width} [, align_corners])\n'
    .. '  The places that matrices (batch, 2, 3) of affine maps show, for grid_sample.',
  grid_sample = "torch.grid_sample(x, grid [, mode='bilinear'] [, padding_mode='zeros'] "
    .. '[, align_corners=false])\n'
    .. '  The values of images at places (x, y) that a grid names, from -1 to 1 across the image.',
  fake_quantize = 'torch.fake_quantize(x, scale, zero_point [, low=-128] [, high=127])\n'
    .. '  x rounded as quantization and back would; gradients pass as if it were not.',
  fake_quantize_per_channel = 'torch.fake_quantize_per_channel(x, scales, zero_points [, dim=1] '
    .. '[, low=-128] [, high=127])\n'
    .. '  fake_quantize with a scale and a zero point for each position of a dimension.',

  -- The system, for packages.
  isatty = 'torch.isatty(file)\n  Whether a file such as io.stdout, or 0, 1 or 2, is a terminal.',
  getnumcores = 'torch.getnumcores()\n  How many cores there are to calculate on.',
  clock = 'torch.clock()\n  Seconds of real, user and system time.',
  executable_dir = 'torch.executable_dir()\n  The folder of the running program.',
  fsync_rename = 'torch.fsync_rename(from, to)\n'
    .. '  Puts a file in the place of another, safely against a crash.',
  storage_tostring = 'torch.storage_tostring(storage, first, count)\n  The bytes of elements.',
  storage_fromstring = 'torch.storage_fromstring(storage, first, bytes)\n'
    .. '  Fills elements from their bytes.',
}

-- PyTorch's spellings.
for alias, name in pairs {tolist = 'totable', ndimension = 'dim', nelement = 'numel',
    element_size = 'elementSize', is_contiguous = 'isContiguous', resize_as = 'resizeAs',
    storage_offset = 'storageOffset', is_same_size = 'isSameSizeAs', is_set_to = 'isSetTo',
    type_as = 'typeAs', reshape_as = 'reshapeAs'} do
  texts[alias] = texts[name]
end
texts.data_ptr = 'x:data_ptr()\n  The address of the first element as a number.'

for _, kind in ipairs {'byte', 'char', 'short', 'int', 'long', 'half', 'bfloat16', 'float',
    'double', 'bool'} do
  texts[kind] = ('x:%s()\n  x converted to that type of elements.'):format(kind)
end

return texts
