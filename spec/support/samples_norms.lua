--- Sample calls of operations: normalisation and attention. Entries are as spec/support/samples.lua
-- says.

local function with(...)
  local n, values = select('#', ...), {...}
  return function(...)
    local args, given = {...}, select('#', ...)
    for k = 1, n do args[given + k] = values[k] end
    return (table.unpack or unpack)(args, 1, given + n)
  end
end

-- Running statistics of two channels in the type of x: each call gets its own.
local function running(x)
  local kind = x:type()
  return torch.DoubleTensor {0.5, -1}:type(kind), torch.DoubleTensor {2, 0.75}:type(kind)
end

local function attention(explicit, tools)
  local truth = {{{1, 0, 1, 1}, {0, 1, 1, 0}, {1, 1, 0, 0}}}
  explicit.scaled_dot_product_attention = {
    {{2, 2, 3, 2}, {2, 2, 4, 2}, {2, 2, 4, 3}},
    {{1, 4, 3, 2}, {1, 2, 3, 2}, {1, 2, 3, 2}, args = with(nil, true, 0.3)},
    {{2, 3, 2}, {1, 4, 2}, {1, 4, 2}, {3, 4}},
    {{3, 2}, {4, 2}, {4, 1}, {1, 4}, args = with(true)},
    {{1, 1, 3, 2}, {1, 1, 4, 2}, {1, 1, 4, 2}, args = function(q, k, v)
      return q, k, v, torch.ByteTensor(truth)
    end},
    {{1, 2, 3, 2}, {1, 2, 3, 2}, {1, 2, 3, 2}, args = with(nil, false, 1, 0.4), random = true,
      call = tools.seeded}}
end

-- Cosines and sines of three positions and two pairs in the type of x.
local function angles(x)
  local kind = x:type()
  local angle = torch.DoubleTensor {{0, 0}, {0.5, 0.1}, {1, 0.2}}
  return torch.cos(angle):type(kind), torch.sin(angle):type(kind)
end

local function rotary(explicit)
  explicit.rotary_embedding = {
    {{2, 3, 4}, args = function(x)
      local cos, sin = angles(x)
      return x, cos, sin
    end},
    {{2, 5}, args = function(x)
      local cos, sin = angles(x)
      return x, cos, sin, true, 1
    end},
    {{2, 2, 4}, args = function(x)
      local cos, sin = angles(x)
      return x, cos, sin, false, 0, true
    end}}
end

return function(explicit, tools)
  attention(explicit, tools)
  rotary(explicit)
  explicit.layer_norm = {
    {{3, 4}, {4}, {4}, args = function(x, w, b) return x, {4}, w, b end},
    {{2, 3, 2}, {3, 2}, args = function(x, w) return x, {3, 2}, w end},
    {{2, 3}, {3}, args = function(x, b) return x, 3, nil, b, 0.1 end},
    {{4}, args = with(4)}}
  explicit.rms_norm = {
    {{3, 4}, {4}, args = function(x, w) return x, {4}, w end},
    {{2, 2, 3}, args = with({2, 3}, nil, 0.1)}}
  explicit.group_norm = {
    {{2, 4, 3}, {4}, {4}, args = function(x, w, b) return x, 2, w, b end},
    {{3, 4}, {4}, args = function(x, w) return x, 2, w end},
    {{2, 4, 2, 2}, args = with(1)}}
  explicit.batch_norm = {
    {{3, 2, 2}, {2}, {2}, args = function(x, w, b)
      local mean, var = running(x)
      return x, mean, var, w, b, true
    end},
    {{4, 2}, {2}, {2}, args = function(x, w, b)
      local mean, var = running(x)
      return x, mean, var, w, b, false, 0.1, 0.01
    end},
    {{2, 2, 4, 5}, {2}, args = function(x, w) return x, nil, nil, w, nil, true end},
    {{1, 2, 17}, args = function(x)
      local mean, var = running(x)
      return x, mean, var
    end}}
  explicit.instance_norm = {
    {{2, 2, 3}, {2}, {2}, args = function(x, w, b) return x, nil, nil, w, b end},
    {{2, 2, 2, 2}, args = function(x)
      local mean, var = running(x)
      return x, mean, var, nil, nil, true, 0.3
    end},
    {{2, 2, 3}, {2}, args = function(x, w)
      local mean, var = running(x)
      return x, mean, var, w, nil, false
    end}}
end
