--- How models draw their parameters, by the papers that they come from.
local torch = require 'torch'

local initial = {}

local CONVOLUTION = {['nn.Conv2d'] = true, ['nn.ConvTranspose2d'] = true}

-- fn(weight, bias or nil) for each module whose class is among `classes`.
local function each(model, classes, fn)
  model:apply(function(module)
    if classes[torch.typename(module)] then fn(module.weight, module.bias) end
  end)
end

local function zero(bias)
  if bias then bias:zero() end
end

--- Convolutions before rectifiers: normal, variance 2 / (outputs * places of the kernel), so that
-- gradients keep their size on the way back. He et al. 2015, arXiv:1502.01852.
function initial.he(model)
  each(model, CONVOLUTION, function(weight, bias)
    local fan = weight:size(1) * weight:size(3) * weight:size(4)
    weight:normal(0, math.sqrt(2 / fan))
    zero(bias)
  end)
end

local LINEAR = {['nn.Linear'] = true}

--- Fully connected layers: normal, and no bias.
function initial.linear(model, deviation)
  each(model, LINEAR, function(weight, bias)
    weight:normal(0, deviation)
    zero(bias)
  end)
end

--- The same for convolutions.
function initial.convolutions(model, deviation)
  each(model, CONVOLUTION, function(weight, bias)
    weight:normal(0, deviation)
    zero(bias)
  end)
end

local EMBEDDING = {['nn.Embedding'] = true}

function initial.embeddings(model, deviation)
  each(model, EMBEDDING, function(weight) weight:normal(0, deviation) end)
end

local NORM = {['nn.BatchNorm2d'] = true}

--- Factors of normalizations around 1. Radford et al. 2016.
function initial.norms(model, deviation)
  each(model, NORM, function(weight, bias)
    weight:normal(1, deviation)
    zero(bias)
  end)
end

return initial
