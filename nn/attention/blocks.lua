--- What the layers of a transformer are made of: attention or a small network, each beside a path
-- that goes around it, and a normalisation.
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
local options = require 'nn.attention.options'

local blocks = {}

-- Of a half-open pair (value, gate) and of one value; see Shazeer 2020, arXiv:2002.05202.
local function gated(fn)
  return function(x)
    local n = x:dim()
    local half = x:size(n) / 2
    return torch.cmul(fn(x:narrow(n, 1, half)), x:narrow(n, half + 1, half))
  end
end

local ACTIVATIONS = {relu = torch.relu, gelu = torch.gelu, silu = torch.silu, tanh = torch.tanh}
local GATED = {reglu = gated(torch.relu), geglu = gated(torch.gelu), swiglu = gated(torch.silu)}

--- Options of a layer. Those of attention: kv_heads, causal, rotary, bias.
local DEFAULTS = {feedforward = 2048, dropout = 0.1, activation = 'relu', norm_first = false,
  eps = options.unset, norm = 'LayerNorm', bias = true, kv_heads = options.unset, causal = false,
  rotary = false}

local function normalisation(self, embed)
  local norm = nn[self.norm]
  if self.norm ~= 'LayerNorm' and self.norm ~= 'RMSNorm' then
    error(("%s: norm 'LayerNorm' or 'RMSNorm' expected, got %s"):format(torch.type(self),
      tostring(self.norm)), 0)
  end
  if self.norm == 'RMSNorm' then return norm(embed, self.eps) end
  return norm(embed, self.eps, true, self.with_bias)
end

--- Gives a layer its fields: attention under `names`, normalisations norm1, norm2, ..., and a small
-- network linear1, linear2. `more` are options beside the defaults, as {name = default}.
function blocks.init(self, embed, heads, given, names, more)
  local who, all = torch.type(self), {}
  for name, value in pairs(DEFAULTS) do all[name] = value end
  for name, value in pairs(more or {}) do all[name] = value end
  local o = options.read(who, given, all)
  local width = o.feedforward
  if not ACTIVATIONS[o.activation] and not GATED[o.activation] then
    error(("%s: activation relu, gelu, silu, tanh, reglu, geglu or swiglu expected, got %s"):format(
      who, tostring(o.activation)), 0)
  end
  self.embed_dim, self.p, self.activation = embed, o.dropout, o.activation
  self.norm_first, self.norm, self.eps, self.with_bias = o.norm_first, o.norm, o.eps, o.bias
  self.train = true
  for i, name in ipairs(names) do
    local itself = i == 1 -- cross-attention looks at all of the memory, without positions
    self[name] = nn.MultiHeadAttention(embed, heads, {kv_heads = o.kv_heads, bias = o.bias,
      dropout = o.dropout, causal = itself and o.causal, rotary = itself and o.rotary})
  end
  for i = 1, #names + 1 do self['norm' .. i] = normalisation(self, embed) end
  self.linear1 = nn.Linear(embed, GATED[o.activation] and 2 * width or width, o.bias)
  self.linear2 = nn.Linear(width, embed, o.bias)
end

local function drop(self, x)
  return self.p > 0 and self.train ~= false and torch.dropout(x, self.p) or x
end

--- linear2(activation(linear1(x))).
function blocks.feed_forward(self, x)
  x = run.call(self.linear1, x)
  x = (ACTIVATIONS[self.activation] or GATED[self.activation])(x)
  return run.call(self.linear2, drop(self, x))
end

--- x + fn(x), normalised behind the sum, or with norm_first before fn.
function blocks.around(self, norm, x, fn)
  if self.norm_first then return x + drop(self, fn(run.call(norm, x))) end
  return run.call(norm, x + drop(self, fn(x)))
end

-- What a tensor came in that came alone.
local NONE = {}

--- The first tensor of the input, and the table that it came in.
function blocks.read(input, n)
  if torch.isTensor(input) and n == 1 then return input, NONE end
  local fits = type(input) == 'table' and torch.isTensor(input[1])
  if fits and (n == 1 or torch.isTensor(input[2])) then return input[1], input end
  error(('%s expected, got %s'):format(n == 1 and 'a tensor (batch, time, channel) or a table {x, '
    .. 'mask =, key_mask =}' or 'a table {x, memory}', torch.type(input)), 0)
end

-- ---------------------------------------------------------------------------------------------
-- Layers one after the other.

--- Fills a container with `count` copies of the layer, each with parameters of its own, and `norm`
-- behind them.
function blocks.stack(self, layer, class, count, norm)
  if not torch.isTypeOf(layer, class) then
    error(('%s: a layer %s expected, got %s'):format(torch.type(self), class, torch.type(layer)), 0)
  end
  if type(count) ~= 'number' or count < 1 or count % 1 ~= 0 then
    error(('%s: a whole number of layers expected, got %s'):format(torch.type(self),
      tostring(count)), 0)
  end
  self:add(layer)
  for i = 2, count do
    self:add(layer:clone())
    self.modules[i]:reset()
  end
  if norm then self:add(norm) end
  self.layers = count
end

--- Runs them: each layer gets the table of the input, with its own x in it.
function blocks.run_stack(self, input, n)
  local x, given = blocks.read(input, n)
  for i = 1, #self.modules do
    local module = self.modules[i]
    if i <= self.layers then
      local own = x
      if given ~= NONE then
        own = {}
        for key, value in pairs(given) do own[key] = value end
        own[1] = x
      end
      x = run.call(module, own)
    else
      x = run.call(module, x)
    end
  end
  return x
end

return blocks
