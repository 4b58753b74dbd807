--- Recurrent layers step by step, made of plain operations: for what the fused layers of torch do
-- not do (projections, steps that are masked, rnn's GRU).
local torch = require 'torch'

local cells = {}

--- 1 where a row goes on at each step, else 0: (time, batch, 1), or nil without lengths.
function cells.within(x, lengths)
  if not lengths then return nil end
  local time, batch = x:size(1), x:size(2)
  local at = torch.range(1, time):typeAs(x):view(time, 1):expand(time, batch)
  return torch.le(at, lengths:typeAs(x):view(1, batch):expand(time, batch)):typeAs(x)
    :view(time, batch, 1)
end

--- 1 where an input has a feature that is not 0, else 0: (time, batch, 1).
function cells.present(x)
  return torch.ne(torch.abs(x:detach()):sum(3), 0):typeAs(x)
end

-- Far enough below 0 for a sigmoid that is 0 in every type.
local CLOSED = -1e4

--- What goes into the gates of an LSTM, (time, batch, 4 hidden), so that they let nothing through
-- where `present` is 0: the new cell and output are 0 there, and no gradient passes.
function cells.closed(sums, present)
  return torch.maskedFill(sums, torch.eq(present, 0):expandAs(sums), CLOSED)
end

-- What the masks of step t make of a new state: rows that are over keep the old one, and rows whose
-- input is missing begin anew.
local function kept(new, old, options, t)
  local within, present = options.within, options.present
  if within then new = old + torch.cmul(new - old, within[t]:expandAs(new)) end
  if present then new = torch.cmul(new, present[t]:expandAs(new)) end
  return new
end

local function all_steps(x, reverse, step)
  local time, outputs = x:size(1), {}
  for k = 1, time do
    local t = reverse and time + 1 - k or k
    outputs[t] = step(t)
  end
  return torch.stack(outputs, 1)
end

--- An LSTM with gates in the order i f g o; as torch.lstm_layer, whose results it has. options:
-- projection, (size of h, hidden); within, present: masks as above; reverse.
function cells.lstm(x, h, c, w_ih, w_hh, b_ih, b_hh, options)
  local sums, hidden = torch.linear(x, w_ih, b_ih), w_hh:size(1) / 4
  local projection = options.projection
  local outputs = all_steps(x, options.reverse, function(t)
    local gates = sums[t] + torch.linear(h, w_hh, b_hh)
    local function gate(k) return gates:narrow(2, (k - 1) * hidden + 1, hidden) end
    local cell = torch.cmul(torch.sigmoid(gate(2)), c)
      + torch.cmul(torch.sigmoid(gate(1)), torch.tanh(gate(3)))
    local out = torch.cmul(torch.sigmoid(gate(4)), torch.tanh(cell))
    if projection then out = torch.linear(out, projection) end
    h, c = kept(out, h, options, t), kept(cell, c, options, t)
    if options.within then return torch.cmul(out, options.within[t]:expandAs(out)) end
    return h
  end)
  return outputs, h, c
end

--- A GRU whose reset gate acts on h before it is multiplied, as in Cho et al. 2014. weight (in +
-- hidden, 3 hidden): update gate, reset gate, candidate; options as above.
function cells.gru(x, h, weight, bias, options)
  local features, hidden = x:size(3), weight:size(2) / 3
  local sums = torch.linear(x, weight:narrow(1, 1, features):t(), bias)
  local from_h = weight:narrow(1, features + 1, hidden)
  local gates, candidate = from_h:narrow(2, 1, 2 * hidden), from_h:narrow(2, 2 * hidden + 1, hidden)
  return all_steps(x, options.reverse, function(t)
    local ur = torch.sigmoid(sums[t]:narrow(2, 1, 2 * hidden) + torch.mm(h, gates))
    local update, reset = ur:narrow(2, 1, hidden), ur:narrow(2, hidden + 1, hidden)
    local new = torch.tanh(sums[t]:narrow(2, 2 * hidden + 1, hidden)
      + torch.mm(torch.cmul(reset, h), candidate))
    h = kept(new + torch.cmul(update, h - new), h, options, t)
    return h
  end), h
end

return cells
