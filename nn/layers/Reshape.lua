--- The same elements in another shape; the first dimension may be a batch's.
local torch = require 'torch'
require 'nn.Module'

local Reshape = torch.class('nn.Reshape', 'nn.Module')

--- nn.Reshape(28, 28 [, batchMode]): true if the first dimension is always a batch's, false if
-- never; by default it is, unless the input has just as many elements as the sizes want.
function Reshape:__init(...)
  local given = {...}
  if type(given[#given]) == 'boolean' then self.batchMode = table.remove(given) end
  local sizes = given[1]
  if type(sizes) ~= 'userdata' then
    sizes = torch.LongStorage(type(sizes) == 'table' and sizes or given)
  end
  self.size, self.nelement = sizes, 1
  for i = 1, sizes:size() do self.nelement = self.nelement * sizes[i] end
end

local function is_batch(self, input)
  if self.batchMode ~= nil then return self.batchMode end
  return input:nElement() ~= self.nelement or input:size(1) == 1
end

function Reshape:updateOutput(input)
  local sizes = self.size:totable()
  if is_batch(self, input) then table.insert(sizes, 1, input:size(1)) end
  return torch.reshape(input, torch.LongStorage(sizes))
end

function Reshape:__tostring__()
  return ('%s(%s)'):format(torch.type(self), table.concat(self.size:totable(), 'x'))
end
