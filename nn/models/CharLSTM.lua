--- A model of text, character by character, that remembers what it has read in an LSTM. As
-- Karpathy's char-rnn, 2015; Hochreiter and Schmidhuber 1997.
--
--   local model = nn.CharLSTM{vocabulary = 65, width = 128, layers = 2}
--   local logits = model(tokens)             -- (batch, time) -> (batch, time, vocabulary)
--   model:loss(tokens, next_tokens):backward()
--   model:generate(tokens, 100, {temperature = 0.8})
local torch = require 'torch'
local nn = require 'nn'
local options = require 'nn.models.options'
local language = require 'nn.models.language'
local run = require 'nn.run'

local CharLSTM, Container = torch.class('nn.CharLSTM', 'nn.Container')

local size = options.size
local KNOWN = {vocabulary = size(), width = size(128), layers = size(2),
  dropout = options.share(0)}

--- vocabulary: how many tokens there are; width = 128: of the embeddings and of each layer;
-- layers = 2; dropout = 0: between layers.
function CharLSTM:__init(given)
  Container.__init(self)
  local o = options.read('CharLSTM', given, KNOWN)
  self:add(nn.Embedding(o.vocabulary, o.width))
  self:add(nn.StackedLSTM(o.width, o.width,
    {layers = o.layers, batch_first = true, dropout = o.dropout}))
  self:add(nn.Dropout(o.dropout))
  self:add(nn.Linear(o.width, o.vocabulary))
end

local function check(tokens)
  local dims = tokens:dim()
  if dims ~= 1 and dims ~= 2 then
    error(('tokens (batch, time) or (time) expected, got %d dimensions'):format(dims), 0)
  end
end

-- The layers' outputs by way of the vocabulary, where that is less work, and nobody asks what the
-- modules did one by one: nil otherwise.
local function by_vocabulary(embedding, layers, tokens)
  if run.pass() or run.observed() or torch.type(embedding) ~= 'nn.Embedding'
      or torch.type(layers) ~= 'nn.StackedLSTM' or embedding.padding_idx or embedding.max_norm
      or embedding.scale_grad_by_freq or 2 * embedding.num_embeddings > tokens:nElement() then
    return nil
  end
  return layers:ofRows(embedding.weight, tokens)
end

function CharLSTM:updateOutput(tokens)
  check(tokens)
  local modules = self.modules
  local y = by_vocabulary(modules[1], modules[2], tokens)
  return modules[4](modules[3](y or modules[2](modules[1](tokens))))
end

--- Mean cross-entropy of the next tokens, (batch, time) like the tokens.
function CharLSTM:loss(tokens, next_tokens)
  return language.loss(self(tokens), next_tokens)
end

--- `count` more tokens than the given ones, a table or LongTensor (time) or (batch, time); options
-- as those of nn.GPT. A new token costs one step.
function CharLSTM:generate(tokens, count, given)
  local modules, state = self.modules, nil
  local function step(new)
    local out = modules[2]({modules[1](new), state})
    state = out[2] -- none at first: zeros
    return modules[4](out[1]:select(2, new:size(2)))
  end
  return language.generate(self, step, tokens, count, given)
end
