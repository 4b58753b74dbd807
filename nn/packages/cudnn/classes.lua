--- The table `cudnn` of Torch7's layers for cuDNN. Its classes are those of nn with their names,
-- since nn's layers use cuDNN where it serves them: so a file with cudnn.* in it can be read, and
-- used, wherever nn is, with a GPU or without. They are made when the first of them is asked for.
local torch = require 'torch'

local cudnn = {}
local made = false
torch.register_package('cudnn', cudnn)

return setmetatable(cudnn, {__index = function(tbl, name)
  if made or type(name) ~= 'string' or not name:match('^%u') then return nil end
  made = true
  require 'cudnn.layers'
  return rawget(tbl, name)
end})
