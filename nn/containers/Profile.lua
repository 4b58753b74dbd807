--- Prints how long a module takes forward and backward.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
require 'nn.containers.Decorator'

local Profile, Decorator = torch.class('nn.Profile', 'nn.Decorator')

--- print_interval: after how many passes to print. name: what to call the module.
function Profile:__init(module, print_interval, name)
  Decorator.__init(self, module)
  self.print_interval = print_interval or 100
  self.name = name or torch.type(module)
  self.module = module
  self.numFwds, self.numBwds = 0, 0
  self.summedFwdTime, self.summedBwdTime = 0, 0
end

-- Counts a pass, and prints now and then.
local function count(self, passes, sum, seconds, direction)
  self[passes] = self[passes] + 1
  self[sum] = self[sum] + seconds
  if self[passes] % self.print_interval == 0 then
    print(('%s took %.3f seconds for %d %s passes'):format(self.name, self[sum],
      self.print_interval, direction))
    self[sum] = 0
  end
end

-- The value with a node on the tape that calls fn once in each pass backward.
local function notify(value, fn)
  return values.map(function(tensor)
    if not tensor.requires_grad then return tensor end
    local alias = tensor:detach()
    torch.record(function(d)
      fn()
      return d
    end, {tensor}, {alias})
    return alias
  end, value)
end

function Profile:updateOutput(input)
  local began
  local seen = notify(input, function()
    if began then count(self, 'numBwds', 'summedBwdTime', torch.toc(began), 'backward') end
    began = nil
  end)
  local start = torch.tic()
  local output = run.call(self.modules[1], seen)
  count(self, 'numFwds', 'summedFwdTime', torch.toc(start), 'forward')
  return notify(output, function() began = began or torch.tic() end)
end
