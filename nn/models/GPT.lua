--- A model of text that reads from left to right: each position tells which token comes next. As
-- GPT-2, Radford et al. 2019, "Language models are unsupervised multitask learners".
--
--   local gpt = nn.GPT{vocabulary = 65, context = 128, layers = 4, heads = 4, width = 128}
--   local logits = gpt(tokens)              -- (batch, time) -> (batch, time, vocabulary)
--   gpt:loss(tokens, next_tokens):backward()
--   gpt:generate(tokens, 100, {temperature = 0.8, top_k = 40})
--   nn.GPT{vocabulary = 50257, context = 1024, layers = 12, heads = 12, width = 768}
--                                           -- 124,439,808 parameters: GPT-2 small
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local language = require 'nn.models.language'
local cache = require 'nn.attention.cache'

local GPT, Container = torch.class('nn.GPT', 'nn.Container')

local size = options.size
local KNOWN = {vocabulary = size(), context = size(128), layers = size(4), heads = size(4),
  width = size(128), mlp = size(4), dropout = options.share(0), bias = true, tied = true}

--- vocabulary: how many tokens there are; context = 128: most positions that it looks at.
-- layers = 4, heads = 4, width = 128; mlp = 4: see nn.TransformerBlock; dropout = 0; bias = true.
-- tied = true: the weights of the output are the tokens' embeddings (Press and Wolf 2017).
function GPT:__init(given)
  Container.__init(self)
  local o = options.read('GPT', given, KNOWN)
  self.vocabulary, self.context, self.layers = o.vocabulary, o.context, o.layers
  self:add(nn.Embedding(o.vocabulary, o.width))
  self:add(nn.Embedding(o.context, o.width))
  self:add(nn.Dropout(o.dropout))
  for _ = 1, o.layers do
    self:add(nn.TransformerBlock{width = o.width, heads = o.heads, mlp = o.mlp, causal = true,
      bias = o.bias, dropout = o.dropout})
  end
  self:add(nn.LayerNorm(o.width, 1e-5, true, o.bias))
  if not o.tied then self:add(nn.Linear(o.width, o.vocabulary, false)) end
  self:draw()
end

function GPT:draw()
  local modules = self.modules
  for _, i in ipairs {1, 2, self.layers + 5} do
    if modules[i] then modules[i].weight:normal(0, 0.02) end
  end
  for i = 1, self.layers do modules[3 + i]:draw(0.02, self.layers) end
end

function GPT:reset(stdv)
  Container.reset(self, stdv)
  if not stdv then self:draw() end
end

-- The sum of what the tokens and their places, of which `before` come first, are embedded as.
local function embed(self, tokens, before)
  local dims, time = tokens:dim(), tokens:size(tokens:dim())
  if dims ~= 1 and dims ~= 2 then
    error(('tokens (batch, time) or (time) expected, got %d dimensions'):format(dims), 0)
  end
  if before + time > self.context then
    error(('%d tokens, but the context is %d'):format(before + time, self.context), 0)
  end
  local places = torch.range(before + 1, before + time, {dtype = 'int64', device = tokens.device})
  return self.modules[3](self.modules[1](tokens) + self.modules[2](places))
end

local function output(self, x)
  local modules, layers = self.modules, self.layers
  x = modules[layers + 4](x)
  local last = modules[layers + 5]
  return last and last(x) or torch.linear(x, modules[1].weight)
end

function GPT:updateOutput(tokens)
  local x = embed(self, tokens, 0)
  for i = 1, self.layers do x = self.modules[3 + i](x) end
  return output(self, x)
end

--- Mean cross-entropy of the next tokens, (batch, time) like the tokens.
function GPT:loss(tokens, next_tokens)
  return language.loss(self(tokens), next_tokens)
end

-- Logits (batch, vocabulary) after `tokens`, which come behind `before` others, whose keys and
-- values the layers remember.
local function step(self, tokens, before)
  local x = embed(self, tokens, before)
  for i = 1, self.layers do x = self.modules[3 + i](x) end
  return output(self, x:narrow(2, x:size(2), 1)):select(2, 1)
end

--- `count` more tokens than the given ones, a table or LongTensor (time) or (batch, time).
-- options: temperature = 1: below 1 surer, 0 always the most likely; top_k: choose among as many;
-- each(tokens): called with each new token (batch, 1). Keys and values of earlier tokens are kept,
-- so that a new one costs one step; when the context is full, its later half is read again.
function GPT:generate(tokens, count, given)
  local remembered, seen, keep = 0, nil, math.max(1, math.floor(self.context / 2))
  local function next_logits(new)
    seen = seen and torch.cat(seen, new, 2) or new
    if remembered + new:size(2) > self.context then
      local length = seen:size(2)
      new = seen:narrow(2, math.max(1, length - keep + 1), math.min(keep, length))
      remembered = 0
    end
    if remembered == 0 then cache.method(self) end
    remembered = remembered + new:size(2)
    return step(self, new, remembered - new:size(2))
  end
  local function forget() cache.method(self, false) end
  return language.generate(self, next_logits, tokens, count, given, forget)
end
