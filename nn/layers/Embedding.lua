--- A table of learned rows, as PyTorch has it: for each number of the input, from 1 on, the row
-- with this number. Input: of any size; output: a dimension more.
local torch = require 'torch'
local dims = require 'nn.layers.dims'
local lookup = require 'nn.layers.lookup'
require 'nn.Module'

local Embedding = torch.class('nn.Embedding', 'nn.Module')

--- num_embeddings, embedding_dim: how many rows, and of how many numbers. Then padding_idx, or a
-- table of options: padding_idx, a number whose row is 0 and gets no gradient; max_norm: rows with
-- a greater norm, of order norm_type (2), are scaled down to it when they are used;
-- scale_grad_by_freq: true to divide each row's gradient by how often it is used.
function Embedding:__init(num_embeddings, embedding_dim, options)
  dims.check_whole('Embedding', 'num_embeddings', num_embeddings)
  dims.check_whole('Embedding', 'embedding_dim', embedding_dim)
  if type(options) ~= 'table' then options = {padding_idx = options} end
  local padding = options.padding_idx
  if padding and padding < 0 then padding = num_embeddings + padding + 1 end
  if padding and not (dims.is_whole(padding) and padding <= num_embeddings) then
    error(('nn.Embedding: a padding_idx from 1 to %d expected, got %s'):format(num_embeddings,
      tostring(options.padding_idx)), 3)
  end
  self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
  self.padding_idx, self.max_norm = padding, options.max_norm
  self.norm_type = options.norm_type or 2
  self.scale_grad_by_freq = options.scale_grad_by_freq or false
  self:parameter('weight', num_embeddings, embedding_dim)
  self:reset()
end

--- A module with the rows of a matrix. freeze: false to train them.
function Embedding.from_pretrained(rows, freeze, options)
  local module = torch.getconstructortable('nn.Embedding')(rows:size(1), rows:size(2), options)
  torch.no_grad(module.weight.copy, module.weight, rows)
  if freeze ~= false then
    module.parameterNames = {}
    module.weight.requires_grad = false
  end
  return module
end

--- Normal numbers of this standard deviation; the padding's row is 0.
function Embedding:reset(stdv)
  self.weight:normal(0, stdv or 1)
  if self.padding_idx then torch.no_grad(self.weight.indexFill, self.weight, 1,
    torch.LongTensor{self.padding_idx}, 0) end
  return self
end

function Embedding:updateOutput(input)
  return lookup.apply(self.weight, input, {padding = self.padding_idx, max_norm = self.max_norm,
    norm_type = self.norm_type, by_frequency = self.scale_grad_by_freq})
end

function Embedding:__tostring__()
  return ('%s(%d, %d)'):format(torch.type(self), self.num_embeddings, self.embedding_dim)
end
