--- What a guest is asked to do in the tests of guest mode: a bit of everything, in any Lua.
-- Called with the table of `require 'moonlet'` and the name of a file that may be written.
-- Returns a text that is the same wherever it runs. Reads no global that a host may have removed.
local moonlet, path = ...
local coroutine, ipairs, pcall, rawget, rawset = coroutine, ipairs, pcall, rawget, rawset
local table, tostring, type = table, tostring, type

-- Hosts may do to their globals what they like, even after the guest has come.
local meanwhile = rawget(_G, 'meanwhile')
if meanwhile then meanwhile() end

local torch, nn, optim, data = moonlet.torch, moonlet.nn, moonlet.optim, moonlet.data
local out = {}

local function note(format, ...)
  out[#out + 1] = format:format(...)
end

local function train()
  torch.manualSeed(1)
  local x, y = torch.randn(32, 2), torch.LongTensor(32)
  for i = 1, 32 do y[i] = x[i][1] * x[i][2] > 0 and 2 or 1 end
  local model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
  local criterion = nn.CrossEntropyCriterion()
  local optimizer = optim.Adam(model:parameters(), {lr = 0.05})
  local first, last
  for _ = 1, 40 do
    local loss = criterion(model(x), y)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
    last = loss:item()
    first = first or last
  end
  note('learned %s', tostring(last < 0.8 * first))
  return model
end

local function old_protocol(model)
  local params, gradients = model:getParameters()
  model:add(nn.LogSoftMax())
  local criterion, x = nn.ClassNLLCriterion(), torch.ones(4, 2)
  local function feval()
    gradients:zero()
    local output = model:forward(x)
    local loss = criterion:forward(output, torch.LongTensor{1, 2, 1, 2})
    model:backward(x, criterion:backward(output, torch.LongTensor{1, 2, 1, 2}))
    return loss, gradients
  end
  optim.sgd(feval, params, {learningRate = 0.1})
  note('parameters %d', params:nElement())
end

local function errors()
  for _, code in ipairs {
    function() return torch.mm(torch.ones(2, 3), torch.ones(2, 3)) end,
    function() return nn.Linear(3, 2):forward(torch.ones(2, 4)) end,
    function() return torch.ones(2)[5] end,
    function() return moonlet.require 'no.such.package' end,
    function() return torch.load('/no/such/file') end,
  } do
    local ok, message = pcall(code)
    note('%s %s', tostring(ok), type(message))
  end
end

local function files(model)
  local before = model:forward(torch.ones(1, 2))[1][1]
  torch.save(path, model)
  local after = torch.load(path):forward(torch.ones(1, 2))[1][1]
  note('reloaded %s', after == before and 'true' or ('%.9g for %.9g'):format(after, before))
  note('bytes %s', tostring(#torch.serialize({1, 'two', torch.ones(3)}) > 20))
end

local function printing()
  note('%s', tostring(torch.range(1, 6):view(2, 3)))
  note('%s', tostring(nn.Sequential(nn.Linear(2, 3), nn.ReLU())))
  note('%s', torch.type(torch.ones(1)))
end

-- The libraries that are opened when they are needed first, and their caches.
local function heavy()
  local a = torch.ones(96, 96)
  note('mm %.0f', torch.mm(a, a):sum())
  local _, s = torch.svd(torch.eye(20):double())
  note('svd %.3f', s:sum())
  note('fft %.3f', torch.fft.rfft(torch.ones(64)):abs():sum())
  local conv = nn.Conv2d(32, 32, 3)
  note('conv %d', conv:forward(torch.ones(8, 32, 18, 18)):size(3))
  note('sorted %.0f', (torch.sort(torch.randperm(5000)))[5000])
  local x = torch.ones(200)
  x:apply(function(v) return v + 1 end)
  note('applied %.0f', x:sum())
end

-- A class can be defined once in a state; the work may be done again there.
local run = (rawget(torch, 'guest_runs') or 0) + 1
rawset(torch, 'guest_runs', run)
local Twice = torch.class('guest.Twice' .. run, 'nn.Module', {})
function Twice:updateOutput(input)
  self.output = input * 2
  return self.output
end

local function gradients()
  local x = torch.ones(3):requiresGrad()
  local y = Twice.new()(x)
  y:sum():backward()
  note('gradient %.0f', x.grad:sum())
end

local function in_coroutine()
  local co = coroutine.wrap(function()
    for i = 1, 3 do coroutine.yield(torch.ones(i):sum()) end
    error('from inside')
  end)
  note('coroutine %.0f', co() + co() + co())
  note('its error %s', tostring(pcall(co)))
end

local model = train()
old_protocol(model)
errors()
files(model)
printing()
heavy()
gradients()
in_coroutine()
local LABELS = 'stdlib/data/mnist/t10k-labels-idx1-ubyte.gz'
local packed = moonlet.require 'moonlet.packages'.read(LABELS)
note('labels %d %s', #moonlet.require 'moonlet.gzip'.gunzip(packed), type(data.mnist))
return table.concat(out, '\n')
