--- Normalization of each pixel by neighbouring channels: Krizhevsky et al. 2012.
local torch = require 'torch'

local across_channels = {}

--- x / (k + alpha * mean of x^2 over channels from `before` below to `behind` above)^beta, where
-- the mean divides by `size`. batch: (batch, channel, ...).
function across_channels.normalize(batch, before, behind, size, alpha, beta, k)
  local cells = 1
  for d = 3, batch:dim() do cells = cells * batch:size(d) end
  local squares = torch.square(batch):reshape(batch:size(1), batch:size(2), cells)
  squares = torch.pad(squares, {0, 0, before, behind})
  local means = torch.avg_pool2d(squares, {before + behind + 1, 1}, 1, 0, false, true, size)
  local scale = torch.pow(torch.mul(means, alpha) + k, -beta)
  return torch.cmul(batch, scale:viewAs(batch))
end

return across_channels
