--- Long short-term memory without peepholes: the four gates are one product. With FastLSTM.bn their
-- sums and the cell are normalised over the batch (Cooijmans et al. 2016, arXiv:1603.09025).
local torch = require 'torch'
local nn = require 'nn'
local run = require 'nn.run'
local gates = require 'nn.recurrent.gates'
require 'nn.recurrent.LSTM'

local FastLSTM, LSTM = torch.class('nn.FastLSTM', 'nn.LSTM')

-- Switches of the class, read when an object is made. usenngraph changes nothing here.
FastLSTM.usenngraph = false
FastLSTM.bn = false

--- eps, momentum, affine: of the normalisation, where FastLSTM.bn is set. p, mono: see LSTM.
function FastLSTM:__init(inputSize, outputSize, rho, eps, momentum, affine, p, mono)
  self.eps, self.momentum, self.affine = eps or 0.1, momentum or 0.1, affine ~= false
  LSTM.__init(self, inputSize, outputSize, rho, false, p, mono)
end

function FastLSTM:buildModel()
  LSTM.buildModel(self)
  if not FastLSTM.bn then return nil end
  local function normalization(size)
    local layer = nn.BatchNormalization(size, self.eps, self.momentum, self.affine)
    if layer.weight then layer.weight:fill(0.1) end
    if layer.bias then layer.bias:zero() end
    table.insert(self.modules, layer)
    return layer
  end
  self.bn_wx = normalization(4 * self.outputSize)
  self.bn_wh = normalization(4 * self.outputSize)
  self.bn_c = normalization(self.outputSize)
  return nil
end

function FastLSTM:sums(input, output)
  if not self.bn_wx then return LSTM.sums(self, input, output) end
  if input:dim() ~= 2 then error('normalisation needs a batch, an input of 2 dimensions', 0) end
  local size = self.outputSize
  return run.call(self.bn_wx, gates.product(self, self.i2g, input, 4, size, 'input'))
    + run.call(self.bn_wh, gates.product(self, self.o2g, output, 4, size, 'output'))
end

function FastLSTM:squash(cell)
  if self.bn_c then cell = run.call(self.bn_c, cell) end
  return torch.tanh(cell)
end
