--- What spec/fuzz/calls.lua finds out about a call beyond that it did not crash. Adds words to the
-- language of its calls.
local samples = require 'spec.support.samples'
local values = require 'spec.fuzz.values'
local tensors = require 'spec.support.tensors'

local checks = {}
local env = values.env
local unpack = table.unpack or unpack

--- A chunk of text with `words` as its globals.
function checks.load(text, words)
  if not setfenv then return load(text, '=call', 't', words) end -- luacheck: ignore
  local chunk, message = loadstring(text, '=call') -- luacheck: ignore
  if chunk then setfenv(chunk, words) end -- luacheck: ignore
  return chunk, message
end

local function wrong(format, ...)
  error({wrong = format:format(...)}, 0)
end

-- Leaves made during this call: what second gradients are taken of.
local leaves = {}
function checks.forget() leaves = {} end

local make = env.t
function env.t(...)
  local x = make(...)
  if x.requires_grad and x.is_leaf then leaves[#leaves + 1] = x end
  return x
end

--- method('sum'): the method of tensors, or of storages, as a function of any value.
function env.method(name)
  return function(self, ...)
    if not torch.isTensor(self) then
      local kind = torch.isStorage(self) and torch.typename(self) or 'torch.FloatTensor'
      local f = require('torch.core').metatables[kind][name]
      if not f then error(name .. ': no such method', 0) end
      return f(self, ...)
    end
    return self[name](self, ...)
  end
end

--- of('readInt'): the method of whatever object it is called with.
function env.of(name)
  return function(self, ...)
    local f = self[name]
    if type(f) ~= 'function' then error(name .. ': no such method', 0) end
    return f(self, ...)
  end
end

local MANY = 4096 -- elements that are read one by one

--- Reads all of a result; an error says what is wrong with it.
function checks.read(...)
  for k = 1, select('#', ...) do
    local x = select(k, ...)
    if torch.isTensor(x) then
      local n, sizes = x:nElement(), x.shape
      local product = 1
      for d = 1, #sizes do product = product * sizes[d] end
      if product ~= n or n < 0 then wrong('%s elements in a tensor of %s', n, product) end
      if n <= MANY then torch.totable_flat(x)
      elseif n <= 2 ^ 22 then x:clone()
      else tostring(x[sizes]) end -- the last element
      tostring(x.grad_fn)
    elseif torch.isStorage(x) then
      if #x > 0 then tostring(x[#x]) end
    elseif type(x) == 'table' and getmetatable(x) == nil then
      local n = 0
      for _, value in pairs(x) do
        n = n + 1
        if torch.isTensor(value) then checks.read(value) end
        if n > 100 then break end
      end
    end
  end
end

--- back(...): the results' gradients, and gradients of these.
function env.back(...)
  for k = 1, select('#', ...) do
    local y = select(k, ...)
    if torch.isTensor(y) and y.requires_grad and y.dtype:find('float') and #leaves > 0 then
      local loss = y:sum()
      local grads = torch.grad(loss, leaves, {create_graph = true})
      local again
      for i = 1, #leaves do
        local g = grads[i]
        if g then
          if tensors.sizes(g) ~= tensors.sizes(leaves[i]) then
            wrong('the gradient has sizes %s, not %s', tensors.sizes(g), tensors.sizes(leaves[i]))
          end
          checks.read(g)
          if g.requires_grad then again = again and again + g:sum() or g:sum() end
        end
      end
      if again then again:backward() end
    end
  end
  return ...
end

-- Operations whose arguments after the first may change: the state of an optimizer, and running
-- statistics.
local function changes_inputs(name)
  return name:find('_step$') or name == 'multinomialAliasSetup' or name == 'batch_norm'
    or name == 'instance_norm'
end

--- kept(f, args, change, ...): f leaves the tensors alone that are no destination.
function env.kept(f, args, ...)
  for _, change in ipairs {...} do change(args) end
  local before = {}
  for k = 2, args.n do
    local x = args[k]
    if torch.isTensor(x) and x:nElement() < MANY then
      local shared = false
      for i = 1, k - 1 do
        local y = args[i]
        if torch.isTensor(y) and (y:storage() == x:storage()) then shared = true end
      end
      if not shared then before[k] = torch.totable_flat(x) end
    end
  end
  local outcome = {pcall(f, unpack(args, 1, args.n))}
  local leading = 0 -- tensors at the start may be destinations
  for k = 1, args.n do
    if not torch.isTensor(args[k]) then break end
    leading = k
  end
  for k, list in pairs(before) do
    if k > math.min(3, leading - 1) then
      local difference = tensors.difference(list, torch.totable_flat(args[k]), 0)
      if difference and not changes_inputs(args.op or '') then
        wrong('argument %d has changed: %s', k, difference)
      end
    end
  end
  if not outcome[1] then error(outcome[2], 0) end
  return unpack(outcome, 2, 4)
end

-- ---------------------------------------------------------------------------------------------
-- Results that share memory with inputs.

--- part(k, how): of input k the tensor itself, a shifted or turned view, or its first elements.
local Part = {}
function env.part(k, how)
  return setmetatable({of = function(args)
    local n = 0
    for i = 1, args.n do
      local x = args[i]
      if torch.isTensor(x) then
        n = n + 1
        if n == k then
          if how == 1 or x:nElement() < 2 then return x end
          if how == 2 and x:dim() > 1 then return x:detach():transpose(1, 2) end
          if how == 3 and x:isContiguous() then
            return x:detach():view(-1):narrow(1, 2, x:nElement() - 1)
          end
          return x:detach():narrow(1, 1, math.max(1, math.floor(x:size(1) / 2)))
        end
      end
    end
    return torch.FloatTensor()
  end}, Part)
end

local plain_into = env.into
function env.into(...)
  local list, n = {...}, select('#', ...)
  return function(args)
    for i = 1, n do
      if getmetatable(list[i]) == Part then list[i] = list[i].of(args) end
    end
    return plain_into(unpack(list, 1, n))(args)
  end
end

local function copies(args)
  local list, known = {n = args.n}, {}
  for k = 1, args.n do
    local x = args[k]
    if torch.isTensor(x) then
      known[x] = known[x] or x:detach():clone()
      x = known[x]
    end
    list[k] = x
  end
  return list
end

--- alias(op, k, input, how): the answer to sample k, written where one of its inputs lies, is the
-- answer written elsewhere. An error will do, too.
function env.alias(op, k, input, how)
  local row
  for _, r in ipairs(torch.ops) do
    if r.op == op then row = r end
  end
  if not samples.takes_destination(row) then return nil end
  local args = env.given(op, k)
  local f = torch[row.name]
  local sample = samples.of(row, nil)[k]
  if row.convention == 'I' or op:find('_step$') then return nil end
  if sample.random or sample.numbers then return nil end
  local fine, expected = pcall(f, unpack(copies(args), 1, args.n))
  if not fine or not torch.isTensor(expected) then return nil end
  local at, n = nil, 0
  for i = 1, args.n do
    if torch.isTensor(args[i]) then
      n = n + 1
      if n == input then at = i end
    end
  end
  local x = at and args[at]
  if not x or x.dtype ~= expected.dtype or x:dim() == 0 or x:nElement() < 2 then return nil end
  local buffer = torch.zeros(x:nElement() + expected:nElement() + 2, {dtype = x.dtype})
  local dest
  if how == 1 then
    dest = x
  elseif how == 2 and x:dim() == 2 and x:size(1) == x:size(2) then
    dest = x:t()
  else
    local shared = buffer:narrow(1, how == 3 and 1 or 3, x:nElement()):view(x:size())
    shared:copy(x)
    args[at] = shared
    dest = buffer:narrow(1, how == 3 and 2 or 1, math.max(1, expected:nElement()))
    if how == 4 then dest = dest:narrow(1, 1, 1) -- it grows over the input
    elseif expected:nElement() > 0 then dest = dest:view(expected.shape) end
  end
  local list, count = {dest}, math.max(1, row.outputs or 1)
  if row.hides then count = 1 end
  for i = 2, count do list[i] = torch.tensor(0, {dtype = i == 2 and 'int64' or x.dtype}) end
  for i = 1, args.n do list[count + i] = args[i] end
  local written, message = pcall(f, unpack(list, 1, count + args.n))
  if not written then
    if type(message) ~= 'string' then wrong('an error that is no text') end
    return nil
  end
  local difference = tensors.difference(expected, dest, 1e-6)
  if difference then wrong('%s into its argument %d (way %d): %s', op, at, how, difference) end
  return dest
end

-- ---------------------------------------------------------------------------------------------
-- Indexing, operators, and memory that changes under a tensor.

function env.index(x, key) return x[key] end

function env.newindex(x, key, value)
  x[key] = value
  return x
end

function env.operate(name, a, b)
  if name == '+' then return a + b end
  if name == '-' then return b - a end
  if name == '*' then return a * b end
  if name == '/' then return a / b end
  if name == '%' then return a % b end
  if name == '^' then return a ^ b end
  if name == '#' then return #a end
  if name == '..' then return a .. b end
  if name == '==' then return a == b end
  if name == '<' then return a < b end
  if name == 'tostring' then return tostring(a) end
  return -a
end

--- shrunk(x, n, f, ...): f(x, ...) after the storage of x was cut to n elements.
function env.shrunk(x, n, f, ...)
  local s = x:storage()
  if s then s:resize(n) end
  local y = f(x, ...)
  if s then s:resize(n * 100) end
  return y, x
end

--- meddled('apply', x, 'resize(0)'): apply, map or map2 with a function that does this to x.
function env.meddled(name, x, action)
  local act = checks.load('local x = ... x:' .. action, env)
  local done = 0
  local function f()
    done = done + 1
    if done % 3 == 1 and done < 10 then act(x) end
    return done
  end
  if name == 'apply' then return x:apply(f) end
  if name == 'map' then return x:map(x:clone(), f) end
  return x:map2(x:clone(), x, f)
end

return checks
