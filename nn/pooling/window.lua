--- What Torch7's pooling layers share: how sizes are rounded, what their text is.
local torch = require 'torch'
local space = require 'nn.convolutions.space'

local window = {}

--- Gives a class the methods ceil() and floor(): whether a last window that is only partly inside
-- of the input counts. Both return the module.
function window.rounds(class)
  function class:ceil()
    self.ceil_mode = true
    return self
  end

  function class:floor()
    self.ceil_mode = false
    return self
  end
end

--- Gives a class of greatest values a clearState that drops the indices, too.
function window.forgets_indices(class, parent)
  function class:clearState()
    if self.indices then self.indices = self.indices.new() end
    return parent.clearState(self)
  end
end

--- Text, sizes and checks of windows in images.
function window.set2(module, kW, kH, dW, dH, padW, padH)
  space.set(module, 1, 'kW kH dW dH', kW, kH, dW, dH)
  space.set(module, 0, 'padW padH', padW or 0, padH or 0)
  window.check_padding(module, 'W', 'H')
  module.ceil_mode = false
end

--- The same in volumes.
function window.set3(module, kT, kW, kH, dT, dW, dH, padT, padW, padH)
  space.set(module, 1, 'kT kW kH dT dW dH', kT, kW, kH, dT, dW, dH)
  space.set(module, 0, 'padT padW padH', padT or 0, padW or 0, padH or 0)
  window.check_padding(module, 'T', 'W', 'H')
  module.ceil_mode = false
end

--- A window must not lie in the padding as a whole.
function window.check_padding(module, ...)
  for _, name in ipairs {...} do
    local pad, k = module['pad' .. name], module['k' .. name]
    local reach = (module['dilation' .. name] or 1) * (k - 1) + 1
    if pad > reach / 2 then
      error(('%s: pad%s: at most half of the window, %d, expected, got %d'):format(
        torch.type(module), name, math.floor(reach / 2), pad), 0)
    end
  end
end

function window.text2(module, more)
  return space.text(module, ('%dx%d, %d,%d'):format(module.kW, module.kH, module.dW, module.dH), '',
    'padW=0 padH=0', more)
end

function window.text3(module, more)
  return space.text(module, ('%dx%dx%d, %d,%d,%d'):format(module.kT, module.kW, module.kH,
    module.dT, module.dW, module.dH), '', 'padT=0 padW=0 padH=0', more)
end

return window
