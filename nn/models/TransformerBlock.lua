--- A layer of a transformer with the normalizations in front: x + attention(norm(x)), then
-- x + mlp(norm(x)). Vaswani et al. 2017, arXiv:1706.03762; in this order, Radford et al. 2019. Of
-- x (batch, time, width), or of one sequence (time, width).
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'

local TransformerBlock, Container = torch.class('nn.TransformerBlock', 'nn.Container')

local KNOWN = {width = options.size(), heads = options.size(), mlp = options.size(4),
  causal = false, bias = true, dropout = options.share(0)}

--- width: of x; heads: of the attention, a divisor of width.
-- mlp = 4: how many times as wide the layer between is; causal = false: see only what comes before;
-- bias = true: of all layers; dropout = 0: of the attention's and of both results.
function TransformerBlock:__init(given)
  Container.__init(self)
  local o = options.read('TransformerBlock', given, KNOWN)
  if o.width % o.heads ~= 0 then
    error(('nn.TransformerBlock: width %d cannot be parted into %d heads'):format(o.width,
      o.heads), 0)
  end
  local wide = o.mlp * o.width
  self:add(nn.LayerNorm(o.width, 1e-5, true, o.bias))
  self:add(nn.MultiHeadAttention(o.width, o.heads,
    {causal = o.causal, bias = o.bias, dropout = o.dropout}))
  self:add(nn.LayerNorm(o.width, 1e-5, true, o.bias))
  self:add(nn.Sequential(nn.Linear(o.width, wide, o.bias), nn.GELU(),
    nn.Linear(wide, o.width, o.bias)))
  self:add(nn.Dropout(o.dropout))
end

function TransformerBlock:updateOutput(x)
  local modules = self.modules
  local dropout = modules[5]
  x = x + dropout(modules[2](modules[1](x)))
  return x + dropout(modules[4](modules[3](x)))
end

--- Draws the weights: normal, and those of layers that add to x smaller the more of them there are
-- (Radford et al. 2019). depth: blocks of the whole model.
function TransformerBlock:draw(deviation, depth)
  local attention, mlp = self.modules[2], self.modules[4]
  attention.in_proj_weight:normal(0, deviation)
  for _, linear in ipairs {attention.out_proj, mlp:get(1), mlp:get(3)} do
    local adds = linear ~= mlp:get(1)
    linear.weight:normal(0, adds and deviation / math.sqrt(2 * depth) or deviation)
  end
  for _, bias in pairs {attention.in_proj_bias or false, attention.out_proj.bias or false,
    mlp:get(1).bias or false, mlp:get(3).bias or false} do
    if bias then bias:zero() end
  end
end
