--- Runs a module on the examples of a batch that are not all zeros, and gives zeros for the others:
-- what MaskZero gives, with less work where much is padding. Not for modules that remember.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local masking = require 'nn.recurrent.masking'
require 'nn.recurrent.MaskZero'

local TrimZero, MaskZero = torch.class('nn.TrimZero', 'nn.MaskZero')

--- nInputDim: how many dimensions one example of the input has.
function TrimZero:__init(module, nInputDim)
  MaskZero.__init(self, module, nInputDim)
end

function TrimZero:updateOutput(input)
  local keep = masking.rows(input, self.nInputDim)
  local count, places = keep:size(1), masking.places(keep)
  local module = self.modules[1]
  -- Of nothing at all the module cannot tell the size of its output.
  if count == 1 or places:nElement() == 0 or places:nElement() == count then
    return masking.apply(run.call(module, input), keep)
  end
  local output = run.call(module, values.map(function(tensor)
    return torch.index(tensor, 1, places)
  end, input))
  return values.map(function(tensor)
    local sizes = tensor:size():totable()
    sizes[1] = count
    local whole = tensor:detach().new(torch.LongStorage(sizes)):zero()
    return torch.indexCopy(whole, 1, places, tensor)
  end, output)
end
