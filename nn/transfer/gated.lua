--- Units of which one half of a dimension, put through a function, opens and closes the other half.
local torch = require 'torch'
local dims = require 'nn.layers.dims'

--- The first half times fn(second half); the last dimension unless another is named.
return function(input, dim, fn)
  local place = dims.at(input, dim or -1)
  local size = input:size(place)
  if size % 2 ~= 0 then
    error(('dimension %d of an input of size [%s] cannot be halved'):format(place,
      dims.text(input)), 0)
  end
  if fn == torch.sigmoid then return torch.glu(input, place) end
  return torch.cmul(torch.narrow(input, place, 1, size / 2),
    fn(torch.narrow(input, place, size / 2 + 1, size / 2)))
end
