--- What models of text have in common: their loss, and making text. Tokens are classes, from 1.
local torch = require 'torch'

local language = {}

--- Mean cross-entropy of the next tokens. logits (batch, time, vocabulary), targets (batch, time).
function language.loss(logits, targets)
  local vocabulary = logits:size(logits:dim())
  return torch.cross_entropy(torch.reshape(logits, logits:nElement() / vocabulary, vocabulary),
    torch.reshape(targets, targets:nElement()))
end

-- All but the best k of each row get no chance.
local function only_best(logits, k)
  k = math.min(k, logits:size(2))
  local best = torch.topk(logits, k, 2, true, true)
  local least = best:narrow(2, k, 1):expandAs(logits)
  return torch.maskedFill(logits, torch.lt(logits, least), -math.huge)
end

-- One token for each row of logits (batch, vocabulary) -> (batch, 1).
local function pick(logits, options)
  local temperature = options.temperature or 1
  if temperature == 0 then
    local _, best = logits:max(2)
    return best
  end
  logits = logits / temperature
  if options.top_k then logits = only_best(logits, options.top_k) end
  return torch.multinomial(torch.softmax(logits, 2), 1)
end

local function check(options)
  local temperature, k = options.temperature, options.top_k
  if temperature and not (type(temperature) == 'number' and temperature >= 0) then
    error(('generate: temperature: a number from 0 on expected, got %s'):format(
      tostring(temperature)), 4)
  end
  if k and not (type(k) == 'number' and k >= 1 and k % 1 == 0) then
    error(('generate: top_k: a whole number above 0 expected, got %s'):format(tostring(k)), 4)
  end
end

--- `count` tokens more than the given ones, (time) or (batch, time): returns all of them.
-- step(tokens): the logits (batch, vocabulary) of what comes after these; it is called with all
-- tokens first, and then with each new one.
-- options: temperature = 1: below 1 surer, 0 always the most likely; top_k: choose among as many;
-- each(tokens): called with each new token (batch, 1).
local function generate(step, tokens, count, options)
  local all = tokens:dim() == 1 and tokens:view(1, -1) or tokens
  local new = all
  for _ = 1, count do
    new = pick(step(new), options)
    all = torch.cat(all, new, 2)
    if options.each then options.each(new) end
  end
  return tokens:dim() == 1 and all:view(-1) or all
end

--- The same for a model, which calculates as in use meanwhile. finish(): called at the end.
function language.generate(model, step, tokens, count, options, finish)
  options = options or {}
  check(options)
  if type(tokens) == 'table' then tokens = torch.LongTensor(tokens) end
  if not torch.isTensor(tokens) or tokens:nElement() == 0 or tokens:dim() > 2 then
    error('generate: tokens (time) or (batch, time) expected to begin with', 3)
  end
  tokens = tokens:to((model:parameters())[1].device)
  local was_training = model.train
  local home, weights = tokens.device, model:parameters()
  model:evaluate()
  tokens = tokens:to(weights[1].device)
  local ok, result = pcall(torch.no_grad, generate, step, tokens, count, options)
  if was_training ~= false then model:training() end
  if finish then finish() end
  if not ok then error(result, 0) end
  return result:to(home)
end

return language
