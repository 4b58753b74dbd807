--- Running statistics of channels, as batch and instance normalisation keep them.
local torch = require 'torch'
local shape = require 'nn.normalization.shape'

local running = {}

--- Fields and parameters that both have; names as in PyTorch.
function running.init(module, channels, eps, momentum, affine, track)
  local who = torch.type(module)
  module.num_features = shape.count(who, 'the number of channels', channels)
  module.eps = eps or 1e-5
  if momentum == nil then momentum = 0.1 end
  module.momentum = momentum
  module.affine = affine
  module.track_running_stats = track
  if affine then shape.affine(module, {channels}, true) end
  if track then
    module.running_mean, module.running_var = torch.zeros(channels), torch.ones(channels)
    module.num_batches_tracked = 0
  end
end

--- The statistics as after the constructor.
function running.reset(module)
  if not module.running_mean then return end
  module.running_mean:zero()
  module.running_var:fill(1)
  module.num_batches_tracked = 0
end

--- The share of this batch in the running statistics. Without a momentum it is that of the plain
-- mean of all batches so far.
function running.share(module)
  module.num_batches_tracked = module.num_batches_tracked + 1
  return module.momentum or 1 / module.num_batches_tracked
end

local WORDS = {[0] = 'length', 'length', 'height, width', 'depth, height, width'}

--- Fails unless the input has one of the numbers of dimensions, and as many channels in dimension
-- d.
function running.check(module, input, dims, d)
  local n = input:dim()
  if dims[n] and input:size(d or 2) == module.num_features then return end
  if dims[n] then
    error(('input has %d channels, expected %d'):format(input:size(d or 2), module.num_features), 0)
  end
  local forms = {}
  for k = 1, 5 do
    if dims[k] then
      local words = {k > 1 and dims.single ~= k and 'batch' or nil}
      words[#words + 1] = ('%d channels'):format(module.num_features)
      local space = k - #words
      if space > 0 then words[#words + 1] = WORDS[space] end
      forms[#forms + 1] = '(' .. table.concat(words, ', ') .. ')'
    end
  end
  if dims.any then forms = {('(batch, %d channels, ...)'):format(module.num_features)} end
  error(('input has size %s, expected %s'):format(shape.text(input),
    table.concat(forms, ' or ')), 0)
end

return running
