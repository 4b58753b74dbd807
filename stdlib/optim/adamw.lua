--- Adam whose weight decay shrinks the parameters, not their gradients. Loshchilov, Hutter 2019.
local torch = require 'torch'
require 'optim.adam'

local package = {}
local AdamW = torch.class('optim.AdamW', 'optim.Adam', package)

local DEFAULTS = {lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 1e-2}

--- parameters: as model:parameters() gives them.
-- options: lr = 1e-3, betas = {0.9, 0.999}, eps = 1e-8, weight_decay = 0.01.
function AdamW:__init(parameters, options)
  self:setup('AdamW', parameters, options, DEFAULTS)
  self:check_betas('AdamW')
end

function AdamW:update_many(updates, options)
  self:advance_many(updates, options, 0, options.weight_decay)
end

function AdamW:update(parameter, gradient, state, options)
  self:advance(parameter, gradient, state, options, 0, options.weight_decay)
end

AdamW.many_of = AdamW.update

return package
