-- Containers: modules around modules.
local cases = require 'spec.support.cases'
local make, with, randn = cases.make, cases.with, cases.randn

local linear, tanh = make('Linear', 4, 3), make('Tanh')

local function around(name, ...)
  local arguments, count, unpack = {...}, select('#', ...), table.unpack or unpack
  return function() return nn[name](nn.Linear(4, 3), unpack(arguments, 1, count)) end
end

-- Cuts images. The file may be loaded more than once.
local function crop(width)
  return function()
    if not torch.getmetatable('spec.Crop') then
      local Crop = torch.class('spec.Crop', 'nn.Module', {})
      function Crop:updateOutput(x)
        return torch.narrow(torch.narrow(torch.tanh(x), -1, 1, self.width), -2, 2, self.width)
      end
    end
    local module = torch.getmetatable('spec.Crop').new()
    module.width = width
    return module
  end
end
local small, large = crop(2), crop(3)

return {
  Concat = {with(make('Concat', 2), linear, make('Linear', 4, 2)), randn(5, 4), batched = false},
  ['Concat, one sample'] = {with(make('Concat', 1), linear, tanh), randn(4)},
  ['Sequential, of Concat'] = {function()
    return nn.Sequential(nn.Concat(-1):add(nn.Tanh()):add(nn.Identity()), nn.Linear(8, 2))
  end, randn(3, 4), single = randn(4), batched = true},
  DepthConcat = {with(make('DepthConcat', 2), small, large, tanh), randn(2, 2, 5, 5)},
  ['DepthConcat, one sample'] = {with(make('DepthConcat', 1), small, tanh), randn(2, 4, 4)},
  Parallel = {with(make('Parallel', 2, 1), linear, linear), randn(3, 2, 4)},
  ['Parallel, fewer slices'] = {with(make('Parallel', 1, 1), linear, tanh, tanh), randn(2, 4)},
  ConcatTable = {with(make('ConcatTable'), linear, tanh), randn(5, 4), single = randn(4),
    batched = true},
  ['ConcatTable, of tables'] = {with(make('ConcatTable'), make('SelectTable', 1),
    make('SelectTable', -1)), randn({2, 3}, {3})},
  ParallelTable = {with(make('ParallelTable'), linear, tanh), randn({5, 4}, {5, 2}),
    single = randn({4}, {2}), batched = true},
  MapTable = {around('MapTable'), randn({5, 4}, {5, 4}, {5, 4}), single = randn({4}, {4}),
    batched = true},
  ['MapTable, not shared'] = {function()
    return nn.MapTable(nn.Linear(4, 3), false):resize(2)
  end, randn({5, 4}, {5, 4})},
  Decorator = {around('Decorator'), randn(5, 4), single = randn(4), batched = true},
  Bottle = {around('Bottle'), randn(2, 3, 4), single = randn(3, 4), batched = true},
  ['Bottle, other dimensions'] = {function()
    return nn.Bottle(nn.Sequential(nn.Linear(4, 6), nn.Reshape(2, 3, true)), 2, 3)
  end, randn(2, 3, 4), single = randn(3, 4), batched = true},
  DontCast = {function()
    local module = nn.DontCast(nn.Linear(4, 3):double(), true)
    return module
  end, randn(5, 4), keeps_type = true},
  NaN = {around('NaN', 'x'), randn(5, 4), single = randn(4), batched = true},
  Profile = {around('Profile', 1e9), randn(5, 4), batched = true},
  WeightNorm = {around('WeightNorm'), randn(5, 4), single = randn(4), batched = true},
  ['WeightNorm, of inputs'] = {around('WeightNorm', 2), randn(5, 4)},
  GPU = {around('GPU', 1), randn(5, 4), single = randn(4), batched = true},
  ['Convert, type only'] = {make('Convert'), randn(5, 4)},
  ['Convert, permuted'] = {make('Convert', 'bhwc', 'bchw'), randn(2, 3, 2, 2)},
  ['Convert, to features'] = {make('Convert', 'chwb', 'bf'), randn(2, 3, 2, 2)},
  ['Convert, from features'] = {make('Convert', 'bf', 'bchw'), randn(2, 3)},
}
