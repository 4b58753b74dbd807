--- The 10,000 handwritten digits that come with Moonlet (see data/mnist/README.md).
local core = require 'torch.core'
local idx = require 'data.idx'

local IMAGES = 't10k-images-idx3-ubyte.gz'
local LABELS = 't10k-labels-idx1-ubyte.gz'
local EMBEDDED = 'stdlib/data/mnist/'
local CLASSES = 10

local function is_there(path)
  local file = io and io.open(path, 'rb')
  if file then file:close() end
  return file ~= nil
end

-- Folders that may hold the files. An explicit one is the only one.
local function folders(path)
  if path then return {path} end
  local list = {}
  local from_environment = os and os.getenv('MOONLET_DATA')
  if from_environment and from_environment ~= '' then
    list[1] = from_environment
    list[2] = from_environment .. '/mnist'
  end
  return list
end

-- Folders for programs that do not carry the files inside.
local function installed_folders()
  local list = {}
  local program = core.executable_dir and core.executable_dir()
  if program then
    list[1] = program .. '/../stdlib/data/mnist'
    list[2] = program .. '/../share/moonlet/data/mnist'
  end
  list[#list + 1] = './stdlib/data/mnist'
  return list
end

local function search(list, looked)
  for _, folder in ipairs(list) do
    if is_there(folder .. '/' .. IMAGES) and is_there(folder .. '/' .. LABELS) then
      return idx.open(folder .. '/' .. IMAGES), idx.open(folder .. '/' .. LABELS)
    end
    looked[#looked + 1] = folder
  end
  return nil
end

local function embedded(looked)
  local has_packages, packages = pcall(require, 'moonlet.packages')
  if has_packages then
    local ok, images = pcall(packages.read, EMBEDDED .. IMAGES)
    local ok_labels, labels = pcall(packages.read, EMBEDDED .. LABELS)
    if ok and ok_labels then return idx.unpack(images, IMAGES), idx.unpack(labels, LABELS) end
  end
  looked[#looked + 1] = 'the program itself'
  return nil
end

local function find(path)
  local looked = {}
  local images, labels = search(folders(path), looked)
  if not images and not path then
    images, labels = embedded(looked)
    if not images then images, labels = search(installed_folders(), looked) end
  end
  if images then return images, labels end
  error(('%s and %s were not found; looked in: %s'):format(IMAGES, LABELS,
    table.concat(looked, ', ')), 0)
end

local function check(images, labels)
  if images:dim() ~= 3 or labels:dim() ~= 1 or images:size(1) ~= labels:size(1) then
    error('expected count x rows x columns images and as many labels', 0)
  end
  local top = labels:max()
  if top >= CLASSES then
    error(('a label is %d, expected 0 to %d'):format(top, CLASSES - 1), 0)
  end
end

local function part(images, labels, first, count)
  return {images = images:narrow(1, first, count), labels = labels:narrow(1, first, count)}
end

local function load(options)
  local images, labels = find(options.path)
  check(images, labels)
  local count = images:size(1)
  local pixels = images:size(2) * images:size(3)
  local train = options.train or math.floor(count * 0.9)
  if type(train) ~= 'number' or train % 1 ~= 0 or train < 1 or train >= count then
    error(('train must be a whole number from 1 to %d, got %s'):format(count - 1,
      tostring(train)), 0)
  end
  images = images:view(count, pixels):float():div(255)
  labels = labels:long():add(1)
  return {
    train = part(images, labels, 1, train),
    test = part(images, labels, train + 1, count - train),
  }
end

--- data.mnist{path = folder, train = 9000} -> {train = {images, labels}, test = {images, labels}}
-- images: count x 784 floats, 0 (paper) to 1 (ink). labels: digit + 1, as classes count from 1.
-- The first `train` digits are for training, the rest for testing: the same split every time.
return function(options)
  if options ~= nil and type(options) ~= 'table' then
    error(('data.mnist: expected a table of options, got %s'):format(type(options)), 2)
  end
  local ok, result = pcall(load, options or {})
  if not ok then error(type(result) == 'string' and 'data.mnist: ' .. result or result, 2) end
  return result
end
