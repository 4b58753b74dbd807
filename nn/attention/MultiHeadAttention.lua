--- Attention with several heads (Vaswani et al. 2017). Tensors are (batch, time, channel), or
-- (time, channel) for one sample. The input is
--   x                 queries, keys and values are made of the same sequence
--   {q, k, v}         of three: cross-attention; v is k where it is left out
-- and as a table it may also have, by name,
--   mask              (time, keys), (batch, time, keys) or (batch, heads, time, keys): booleans or
--                     bytes, not 0 where a key takes part, or numbers that are added to the scores
--   key_mask          (batch, keys), booleans or bytes: which keys take part, for all queries
-- The result is (batch, time, channel) of the queries.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
local options = require 'nn.attention.options'
local cache = require 'nn.attention.cache'
local masks = require 'nn.attention.masks'

local MultiHeadAttention = torch.class('nn.MultiHeadAttention', 'nn.Module')

MultiHeadAttention.remembers = true

local DEFAULTS = {kv_heads = options.unset, causal = false, bias = true, dropout = 0,
  rotary = false, kdim = options.unset, vdim = options.unset}

local function check_parts(embed, heads, kv_heads)
  for what, n in pairs {channels = embed, heads = heads, ['heads of keys'] = kv_heads} do
    if type(n) ~= 'number' or n < 1 or n % 1 ~= 0 then
      error(('nn.MultiHeadAttention: a whole number of %s expected, got %s'):format(what,
        tostring(n)), 0)
    end
  end
  if embed % heads ~= 0 then
    error(('nn.MultiHeadAttention: %d channels cannot be parted into %d heads'):format(embed,
      heads), 0)
  end
  if heads % kv_heads ~= 0 then
    error(('nn.MultiHeadAttention: %d heads cannot share %d heads of keys'):format(heads,
      kv_heads), 0)
  end
end

--- embed: channels of queries and result. heads: how many look at once, each with embed / heads
-- channels. given: kv_heads, heads of keys and values where these are fewer; causal: a query sees
-- no keys behind it; bias (true); dropout of the weights (0); rotary: positions are turned into
-- queries and keys, true or options of nn.RotaryEmbedding; kdim, vdim: channels of keys and values
-- where these are not embed.
function MultiHeadAttention:__init(embed, heads, given)
  local o = options.read('nn.MultiHeadAttention', given, DEFAULTS)
  local kv_heads = o.kv_heads or heads
  check_parts(embed, heads, kv_heads)
  self.embed_dim, self.num_heads, self.kv_heads = embed, heads, kv_heads
  self.head_dim = embed / heads
  self.causal, self.p = o.causal, o.dropout
  self.kdim, self.vdim = o.kdim or embed, o.vdim or embed
  self.train = true
  local width = kv_heads * self.head_dim
  if self.kdim == embed and self.vdim == embed then
    self:parameter('in_proj_weight', embed + 2 * width, embed)
  else
    self:parameter('q_proj_weight', embed, embed)
    self:parameter('k_proj_weight', width, self.kdim)
    self:parameter('v_proj_weight', width, self.vdim)
  end
  if o.bias then self:parameter('in_proj_bias', embed + 2 * width) end
  self.out_proj = nn.Linear(embed, embed, o.bias)
  if o.rotary then
    self.rotary = nn.RotaryEmbedding(self.head_dim, type(o.rotary) == 'table' and o.rotary or nil)
  end
  self:reset()
end

-- Uniform within sqrt(6 / (rows + columns)) (Glorot, Bengio 2010).
local function draw(weight)
  local bound = math.sqrt(6 / (weight:size(1) + weight:size(2)))
  weight:uniform(-bound, bound)
end

--- Draws the parameters anew; biases are 0.
function MultiHeadAttention:reset()
  for _, name in ipairs {'in_proj_weight', 'q_proj_weight', 'k_proj_weight', 'v_proj_weight'} do
    if self[name] then torch.no_grad(draw, self[name]) end
  end
  self.out_proj:reset()
  if self.in_proj_bias then
    self.in_proj_bias:zero()
    self.out_proj.bias:zero()
  end
end

--- From now on keys and values are kept, and each input goes on where the last one ended, as in
-- generation one step after the other; what was kept before is forgotten. Keys of
-- cross-attention are calculated once, as long as the same tensor is given. With false all of
-- that ends. No gradient goes through what is kept. All modules of a model are reached by
-- model:apply(function(m) if m.cache then m:cache() end end).
MultiHeadAttention.cache = cache.method

-- The three inputs, whether they are one, and the mask.
local function read(input)
  if torch.isTensor(input) then return input, input, input, nil end
  if type(input) ~= 'table' or not torch.isTensor(input[1]) then
    error(('a tensor or a table {q, k, v} expected, got %s'):format(torch.type(input)), 0)
  end
  local q = input[1]
  local k = input[2] or q
  return q, k, input[3] or k, masks.of(input.mask, input.key_mask)
end

local function check_sequence(what, x, channels, n)
  if torch.isTensor(x) and x:dim() == n and x:size(n) == channels then return end
  local got = not torch.isTensor(x) and torch.type(x)
    or ('%d dimensions, the last of size %s'):format(x:dim(),
      x:dim() > 0 and x:size(x:dim()) or '?')
  error(('%s (%stime, %d channels) expected, got %s'):format(what, n == 3 and 'batch, ' or '',
    channels, got), 0)
end

-- (batch, time, n dim) as (batch, n, time, dim).
local function heads(x, n)
  return x:view(x:size(1), x:size(2), n, x:size(3) / n):transpose(2, 3)
end

local function joined(dq, dk, dv)
  return torch.cat({dq:transpose(2, 3), dk:transpose(2, 3), dv:transpose(2, 3)}, 3)
end

-- Queries, keys and values of one product. What each gives back to it is joined in one step.
local function split(self, all)
  local n, few = self.num_heads, self.kv_heads
  local parted = all:view(all:size(1), all:size(2), n + 2 * few, self.head_dim)
  local plain = parted:detach():transpose(2, 3)
  local q, k = plain:narrow(2, 1, n), plain:narrow(2, n + 1, few)
  local v = plain:narrow(2, n + few + 1, few)
  if parted.requires_grad then torch.record(joined, {parted}, {q, k, v}) end
  return q, k, v
end

local function project(self, name, x, first, rows)
  local weight, bias = self[name], self.in_proj_bias
  if not weight then weight = self.in_proj_weight:narrow(1, first, rows) end
  return torch.linear(x, weight, bias and bias:narrow(1, first, rows))
end

local function project_query(self, x)
  return heads(project(self, 'q_proj_weight', x, 1, self.embed_dim), self.num_heads)
end

local function project_keys(self, k, v)
  local n, few = self.embed_dim, self.kv_heads
  local width = few * self.head_dim
  return heads(project(self, 'k_proj_weight', k, n + 1, width), few),
    heads(project(self, 'v_proj_weight', v, n + width + 1, width), few)
end

local function rotate(self, x, offset)
  return self.rotary and self.rotary:rotate(x, offset) or x
end

-- Of one sequence: what is remembered comes before it. The last result is how much that is.
local function of_itself(self, x)
  local q, k, v
  if self.in_proj_weight then
    q, k, v = split(self, torch.linear(x, self.in_proj_weight, self.in_proj_bias))
  else
    q = project_query(self, x)
    k, v = project_keys(self, x, x)
  end
  local entry = cache.of(self)
  local offset = entry and entry.count or 0
  q, k = rotate(self, q, offset), rotate(self, k, offset)
  if entry then k, v = cache.append(entry, k, v) end
  return q, k, v, offset
end

-- Of several: keys that do not change are calculated once.
local function of_others(self, x, others, other_values)
  local entry = cache.of(self)
  local offset = entry and entry.count or 0
  local q = rotate(self, project_query(self, x), offset)
  if entry then entry.count = offset + x:size(2) end
  if entry and entry.source and entry.source:isSetTo(others) then
    return q, entry.keys, entry.values, offset
  end
  local k, v = project_keys(self, others, other_values)
  k = rotate(self, k, 0)
  if entry then
    entry.source, entry.keys, entry.values = others:detach(), k:detach(), v:detach()
  end
  return q, k, v, offset
end

-- The mask for queries from position `offset` on, and whether they are causal from the first on.
local function in_order(self, mask, time, keys, offset)
  if not self.causal or offset == 0 then return mask, self.causal end
  if time == 1 and keys <= offset + 1 then return mask, false end
  return masks.both(mask, masks.causal(time, keys, offset)), false
end

-- Is it one sequence? A gradient is asked for each of several tensors, even of those that show the
-- same memory; in generation there is none.
local function is_one(self, x, others, other_values)
  if rawequal(x, others) and rawequal(x, other_values) then return true end
  return cache.of(self) and x:isSetTo(others) and x:isSetTo(other_values)
end

function MultiHeadAttention:updateOutput(input)
  local x, others, other_values, mask = read(input)
  local single = x:dim() == 2
  check_sequence('queries', x, self.embed_dim, single and 2 or 3)
  check_sequence('keys', others, self.kdim, single and 2 or 3)
  check_sequence('values', other_values, self.vdim, single and 2 or 3)
  local itself = is_one(self, x, others, other_values)
  if single then
    x, others, other_values = x:unsqueeze(1), others:unsqueeze(1), other_values:unsqueeze(1)
  end
  local q, k, v, offset = (itself and of_itself or of_others)(self, x, others, other_values)
  local causal
  mask, causal = in_order(self, mask, x:size(2), k:size(3), offset)
  local p = self.train ~= false and self.p or 0
  local y = torch.scaled_dot_product_attention(q, k, v, mask, causal, 0, p)
  y = y:transpose(2, 3):reshape(x:size(1), x:size(2), self.embed_dim)
  y = run.call(self.out_proj, y)
  return single and y:squeeze(1) or y
end

function MultiHeadAttention:__tostring__()
  return ('%s(%d, %d heads%s%s)'):format(torch.type(self), self.embed_dim, self.num_heads,
    self.kv_heads ~= self.num_heads and (', %d of keys'):format(self.kv_heads) or '',
    self.causal and ', causal' or '')
end
