--- What nn.StackedLSTM, nn.StackedGRU and nn.StackedRNN have in common: layers of one kind, one on
-- the outputs of the other, in one direction or in both, with parameters named as PyTorch names
-- them.
--
--   y = layers(x)                            x (time, batch, features) or one (time, features)
--   out = layers{x, state}                   out[1] is y, out[2] the state after the last step
--   out = layers{x, state, lengths}          steps that each sequence of the batch has; beyond them
--                                            y is 0, and the state stays as it is
--
-- The state of an LSTM is {h, c}, that of the others h, each (layers * directions, batch, hidden).
-- It may be left out, as {x, nil, lengths} or {x, lengths = lengths}, and begins as zeros then.
local torch = require 'torch'
local cells = require 'nn.recurrent.cells'

local stacked = {}

local GATES = {LSTM = 4, GRU = 3, RNN = 1}
local OPTIONS = {layers = 1, bidirectional = false, dropout = 0, batch_first = false, bias = true}
local MORE = {LSTM = {proj = 0}, GRU = {}, RNN = {nonlinearity = 'tanh'}}

local function read(self, kind, given)
  for name, value in pairs(given or {}) do
    local default = OPTIONS[name]
    if default == nil then default = MORE[kind][name] end
    if default == nil then
      error(('%s: unknown option %s'):format(torch.type(self), tostring(name)), 4)
    elseif type(value) ~= type(default) then
      error(('%s: option %s: a %s expected, got %s'):format(torch.type(self), name, type(default),
        tostring(value)), 4)
    end
  end
  for _, list in ipairs {OPTIONS, MORE[kind]} do
    for name, default in pairs(list) do
      self[name] = default
      if given and given[name] ~= nil then self[name] = given[name] end
    end
  end
end

local function check(self, ok, message, ...)
  if not ok then error(torch.type(self) .. ': ' .. message:format(...), 4) end
end

--- layers = 1; bidirectional = false; dropout = 0: between layers, in training; batch_first =
-- false: x and y are (batch, time, features); bias = true; nonlinearity = 'tanh' or 'relu', of a
-- RNN; proj = 0: of an LSTM, the size that its outputs are projected to.
function stacked.init(self, kind, inputSize, hiddenSize, options)
  read(self, kind, options)
  check(self, type(inputSize) == 'number' and inputSize >= 1 and inputSize % 1 == 0
    and type(hiddenSize) == 'number' and hiddenSize >= 1 and hiddenSize % 1 == 0,
    'sizes of 1 or more expected, got %s and %s', tostring(inputSize), tostring(hiddenSize))
  check(self, self.layers >= 1 and self.layers % 1 == 0, '1 layer or more expected, got %s',
    self.layers)
  check(self, self.dropout >= 0 and self.dropout < 1,
    'a dropout from 0 to below 1 expected, got %s', self.dropout)
  check(self, kind ~= 'LSTM' or self.proj >= 0 and self.proj < hiddenSize and self.proj % 1 == 0,
    'proj below %d expected, got %s', hiddenSize, tostring(self.proj))
  check(self, kind ~= 'RNN' or self.nonlinearity == 'tanh' or self.nonlinearity == 'relu',
    "nonlinearity 'tanh' or 'relu' expected, got '%s'", tostring(self.nonlinearity))
  self.kind, self.inputSize, self.hiddenSize = kind, inputSize, hiddenSize
  self.outputSize = kind == 'LSTM' and self.proj > 0 and self.proj or hiddenSize
  local rows, size = GATES[kind] * hiddenSize, inputSize
  for layer = 0, self.layers - 1 do
    for _, suffix in ipairs(stacked.suffixes(self)) do
      local name = '_l' .. layer .. suffix
      self:parameter('weight_ih' .. name, rows, size)
      self:parameter('weight_hh' .. name, rows, self.outputSize)
      if self.bias then
        self:parameter('bias_ih' .. name, rows)
        self:parameter('bias_hh' .. name, rows)
      end
      if kind == 'LSTM' and self.proj > 0 then
        self:parameter('weight_hr' .. name, self.proj, hiddenSize)
      end
    end
    size = self.outputSize * #stacked.suffixes(self)
  end
  self:reset()
end

--- Of the names of a layer's parameters, by direction.
function stacked.suffixes(self)
  return self.bidirectional and {'', '_reverse'} or {''}
end

--- Uniform within 1 / sqrt(hidden), or of the standard deviation `stdv`.
function stacked.reset(self, stdv)
  local bound = stdv and stdv * math.sqrt(3) or 1 / math.sqrt(self.hiddenSize)
  for _, name in ipairs(self.parameterNames) do self[name]:uniform(-bound, bound) end
end

-- ---------------------------------------------------------------------------------------------
-- One layer in one direction: output, and its state as a list.

local function zeros(x, size)
  return torch.zeros(x:size(2), size):typeAs(x)
end

-- The input's part of the gates for places of a table's rows, multiplied once for each row instead
-- of at each place.
local function product_of_rows(rows, w_ih)
  local products = torch.linear(rows.weight, w_ih)
  return torch.index(products, 1, rows.tokens):view(rows.time, rows.batch, w_ih:size(1))
end

local function run_layer(self, x, start, name, lengths, reverse)
  local w_ih, w_hh = self['weight_ih' .. name], self['weight_hh' .. name]
  local b_ih, b_hh = self['bias_ih' .. name], self['bias_hh' .. name]
  if type(x) == 'table' then x, w_ih = product_of_rows(x, w_ih), nil end
  if self.kind == 'GRU' then
    local y, h = torch.gru_layer(x, start[1], w_ih, w_hh, b_ih, b_hh, lengths, reverse)
    return y, {h}
  elseif self.kind == 'RNN' then
    local y, h = torch.rnn_layer(x, start[1], w_ih, w_hh, b_ih, b_hh, lengths, reverse,
      self.nonlinearity)
    return y, {h}
  elseif self.proj == 0 then
    local y, h, c = torch.lstm_layer(x, start[1], start[2], w_ih, w_hh, b_ih, b_hh, lengths,
      reverse)
    return y, {h, c}
  end
  local y, h, c = cells.lstm(x, start[1] or zeros(x, self.proj), start[2]
    or zeros(x, self.hiddenSize), w_ih, w_hh, b_ih, b_hh, {projection = self['weight_hr' .. name],
    within = cells.within(x, lengths), reverse = reverse})
  return y, {h, c}
end

-- ---------------------------------------------------------------------------------------------
-- Inputs.

local function describe(tensor)
  return torch.isTensor(tensor) and table.concat(tensor:size():totable(), 'x') or type(tensor)
end

local function check_state(self, state, batch)
  local count = self.layers * #stacked.suffixes(self)
  local sizes = {self.outputSize, self.hiddenSize}
  for k, part in ipairs(state) do
    if not torch.isTensor(part) or part:dim() ~= 3 or part:size(1) ~= count
      or part:size(2) ~= batch or part:size(3) ~= sizes[k] then
      error(('state %s of %dx%dx%d expected, got %s'):format(k == 1 and 'h' or 'c', count, batch,
        sizes[k], describe(part)), 0)
    end
  end
end

-- The state as a list of (layers, batch, hidden); empty when none is given.
local function read_state(self, given, single, batch)
  local state = torch.isTensor(given) and {given} or given or {}
  local wanted = self.kind == 'LSTM' and 2 or 1
  if type(state) ~= 'table' or #state ~= 0 and #state ~= wanted then
    error(('a state of %s expected, got %s'):format(wanted == 2 and '{h, c}' or 'one tensor h',
      type(state) == 'table' and #state .. ' tensors' or type(state)), 0)
  end
  local list = {}
  for k, part in ipairs(state) do
    list[k] = single and torch.isTensor(part) and part:dim() == 2 and part:unsqueeze(2) or part
  end
  check_state(self, list, batch)
  return list
end

local function read_lengths(lengths, batch, time)
  if lengths == nil then return nil end
  if type(lengths) == 'table' then lengths = torch.LongTensor(lengths) end
  if lengths:dim() ~= 1 or lengths:size(1) ~= batch then
    error(('%d lengths expected, got %s'):format(batch, describe(lengths)), 0)
  end
  local low, high = lengths:min(), lengths:max()
  if low < 1 or high > time then
    error(('lengths between 1 and %d expected, got %d to %d'):format(time, low, high), 0)
  end
  return lengths
end

-- (time, batch, features), and whether it was a single sequence.
local function read_input(self, x)
  local dims = torch.isTensor(x) and x:dim() or 0
  if dims ~= 2 and dims ~= 3 then
    error(('input %s x features expected, got %s'):format(
      self.batch_first and 'batch x time' or 'time x batch', describe(x)), 0)
  end
  if x:size(dims) ~= self.inputSize then
    error(('input has %d features, expected %d'):format(x:size(dims), self.inputSize), 0)
  end
  if dims == 2 then return x:unsqueeze(2), true end
  return self.batch_first and x:transpose(1, 2) or x, false
end

-- ---------------------------------------------------------------------------------------------
-- All layers.

-- Outputs, and lists of the states after the last step: of each kind one for each layer.
local function all_layers(self, x, state, lengths)
  local suffixes, last = stacked.suffixes(self), {{}, {}}
  for layer = 0, self.layers - 1 do
    if layer > 0 and self.dropout > 0 and self.train ~= false then
      x = torch.dropout(x, self.dropout)
    end
    local outputs = {}
    for d, suffix in ipairs(suffixes) do
      local at, start = layer * #suffixes + d, {}
      for k, part in ipairs(state) do start[k] = part:select(1, at) end
      local y, after = run_layer(self, x, start, '_l' .. layer .. suffix, lengths or nil, d == 2)
      outputs[d] = y
      for k, part in ipairs(after) do last[k][at] = part end
    end
    x = #outputs == 1 and outputs[1] or torch.cat(outputs, 3)
  end
  return x, last
end

--- The outputs for weight[tokens], rows of a table; tokens: a LongTensor (time, batch), or with
-- batch_first (batch, time). Less work where the table has fewer rows than there are tokens. nil
-- where it cannot be done: for projected outputs, and numbers that are none of rows.
function stacked.of_rows(self, weight, tokens)
  if self.kind == 'LSTM' and self.proj > 0 or weight:size(2) ~= self.inputSize
      or tokens:dim() ~= 2 or tokens:nElement() == 0 or tokens:min() < 1
      or tokens:max() > weight:size(1) then
    return nil
  end
  if self.batch_first then tokens = tokens:t() end
  local rows = {weight = weight, time = tokens:size(1), batch = tokens:size(2)}
  rows.tokens = tokens:reshape(tokens:nElement()):to('int64')
  local x = all_layers(self, rows, {}, nil)
  return self.batch_first and x:transpose(1, 2) or x
end

function stacked.forward(self, input)
  local is_table = type(input) == 'table'
  local x, single = read_input(self, is_table and input[1] or input)
  if x:size(1) == 0 or x:size(2) == 0 then
    error(('a step and a sequence expected, got %d steps of %d sequences'):format(x:size(1),
      x:size(2)), 0)
  end
  local lengths = is_table and read_lengths(input[3] or input.lengths, x:size(2), x:size(1))
  local state = read_state(self, is_table and (input[2] or input.state), single, x:size(2))
  local last
  x, last = all_layers(self, x, state, lengths)
  local y = single and x:squeeze(2) or self.batch_first and x:transpose(1, 2) or x
  if not is_table then return y end
  local after = {}
  for k, parts in ipairs(last) do
    if #parts > 0 then after[k] = torch.stack(parts, 1) end
    if after[k] and single then after[k] = after[k]:squeeze(2) end
  end
  return {y, self.kind == 'LSTM' and after or after[1]}
end

function stacked.describe(self)
  local text = {('%s(%d -> %d'):format(torch.type(self), self.inputSize, self.hiddenSize)}
  if self.layers > 1 then text[#text + 1] = ('%d layers'):format(self.layers) end
  if self.bidirectional then text[#text + 1] = 'bidirectional' end
  if self.kind == 'LSTM' and self.proj > 0 then text[#text + 1] = ('proj %d'):format(self.proj) end
  if self.dropout > 0 then text[#text + 1] = ('dropout %g'):format(self.dropout) end
  if self.kind == 'RNN' then text[#text + 1] = self.nonlinearity end
  return table.concat(text, ', ') .. ')'
end

--- Fills the class of one kind.
function stacked.class(kind, Class, Module)
  function Class:__init(inputSize, hiddenSize, options)
    Module.__init(self)
    stacked.init(self, kind, inputSize, hiddenSize, options)
  end
  Class.reset = stacked.reset
  Class.updateOutput = stacked.forward
  Class.ofRows = stacked.of_rows
  Class.__tostring__ = stacked.describe
end

return stacked
