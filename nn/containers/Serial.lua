--- A module that tells how much of itself goes into files: nn.Serial(model):mediumSerial().
local torch = require 'torch'
require 'nn.containers.Decorator'
require 'dpnn'

local Serial, Decorator = torch.class('nn.Serial', 'nn.Decorator')

--- tensortype: what tensors are converted to in files, such as 'torch.FloatTensor'.
function Serial:__init(module, tensortype)
  Decorator.__init(self, module)
  self.tensortype = tensortype
  self:heavySerial()
end

--- Everything, of this type or of the one given to the constructor.
for _, name in ipairs {'heavySerial', 'mediumSerial', 'lightSerial'} do
  Serial[name] = function(self, tensortype)
    return Decorator[name](self, tensortype or self.tensortype)
  end
end
