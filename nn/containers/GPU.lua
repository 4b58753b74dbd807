--- A module that lives on one of several GPUs: its input goes there, and its output to another one.
-- Where the input is not on a GPU it does what the module does.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
require 'nn.containers.Decorator'

local GPU, Decorator = torch.class('nn.GPU', 'nn.Decorator')

--- device, outdevice: numbers of GPUs, from 1; the output stays on `device` by default.
function GPU:__init(module, device, outdevice)
  if type(device) ~= 'number' or device < 1 then
    error(('nn.GPU: the number of a device expected, got %s'):format(tostring(device)), 3)
  end
  Decorator.__init(self, module)
  self.device = device
  self.outdevice = outdevice or device
end

local function moved(value, device)
  return values.map(function(tensor)
    if tensor.device == 'cpu' then return tensor end
    return tensor:cuda(device)
  end, value)
end

function GPU:updateOutput(input)
  return moved(run.call(self.modules[1], moved(input, self.device)), self.outdevice)
end

--- The module goes to its own device, whichever is asked for.
function GPU:cuda()
  return Decorator.cuda(self, self.device)
end

function GPU:__tostring__()
  return ('%s(%d) @ %s'):format(torch.type(self), self.device, tostring(self.modules[1]))
end
