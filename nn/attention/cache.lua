--- What modules remember between the steps of generation. It belongs to no file and no copy, and so
-- is no field of the module.
local torch = require 'torch'

local cache = {}
local kept = setmetatable({}, {__mode = 'k'})

--- What the module remembers: nil when it does not.
function cache.of(module)
  return kept[module]
end

--- From now on the module remembers, beginning with nothing; or with on = false no more.
function cache.set(module, on)
  kept[module] = on ~= false and {count = 0} or nil
end

--- The method `cache` of a module and all inside of it.
function cache.method(self, on)
  self:apply(function(module)
    if module.remembers then cache.set(module, on) end
  end)
  return self
end

local function check(old, new)
  for d, what in ipairs {'a batch', 'heads'} do
    if old:size(d) ~= new:size(d) then
      error(('what is remembered has %s of %d, the input one of %d: call cache() to begin anew')
        :format(what, old:size(d), new:size(d)), 0)
    end
  end
end

-- Room for `need` positions, twice as many as were needed last: `entry[name]` grows seldom.
local function room(entry, name, like, need)
  local old = entry[name]
  if old and old:type() ~= like:type() then old = old:type(like:type()) end
  if old and old:size(3) >= need then return old end
  local new = like.new(like:size(1), like:size(2), math.max(2 * need, 64), like:size(4))
  if old and entry.count > 0 then
    new:narrow(3, 1, entry.count):copy(old:narrow(3, 1, entry.count))
  end
  entry[name] = new
  return new
end

local function append(entry, k, v)
  local n, more = entry.count, k:size(3)
  if entry.k then check(entry.k, k) end
  local keys, others = room(entry, 'k', k, n + more), room(entry, 'v', v, n + more)
  keys:narrow(3, n + 1, more):copy(k)
  others:narrow(3, n + 1, more):copy(v)
  entry.count = n + more
  return keys:narrow(3, 1, n + more), others:narrow(3, 1, n + more)
end

--- Puts keys and values (batch, heads, time, dim) behind those that are there; gives all of them.
-- No gradient goes through what is remembered.
function cache.append(entry, k, v)
  return torch.no_grad(append, entry, k:detach(), v:detach())
end

return cache
