-- Trains a model of text, character by character, and lets it write:
--
--   moonlet scripts/train/charlm.lua [-model gpt] [-data file.txt] [-steps 2000] [-help]
--   moonlet scripts/train/charlm.lua -resume charlm-checkpoint.t7 -steps 0 -prompt 'ROMEO:'
--   moonlet scripts/train/charlm.lua -resume charlm-checkpoint.t7 -steps 0 -ask
--
-- Without -data it reads Shakespeare. Now and then it looks how well it does on text that it has
-- not seen, writes a little, and saves all that is needed to go on; -resume goes on from there, and
-- ends with the same model as a run without a break.
local torch, nn, optim = require 'torch', require 'nn', require 'optim'
local data = require 'data'
local progress = require 'train.progress'
local checkpoint = require 'train.checkpoint'
local script = require 'train.script'

local SHAKESPEARE = (arg[0]:match('^(.*/)') or './') .. 'tinyshakespeare.txt.gz'
local VALIDATION = 0.1 -- share of the text, its end
local VALIDATION_BATCHES = 10

local MODELS = {
  gpt = function(vocabulary, o)
    return nn.GPT{vocabulary = vocabulary, context = o.context, layers = o.layers,
      heads = o.heads, width = o.width, dropout = o.dropout}
  end,
  lstm = function(vocabulary, o)
    return nn.CharLSTM{vocabulary = vocabulary, width = o.width, layers = o.layers,
      dropout = o.dropout}
  end,
}

local function parse_options()
  local cmd = torch.CmdLine()
  cmd:text('Trains a model of text, character by character, and lets it write.')
  cmd:text()
  cmd:option('-data', '', 'text to learn from, plain or gzipped; default: Shakespeare')
  cmd:option('-model', 'gpt', 'gpt, lstm')
  cmd:option('-layers', 4, 'layers')
  cmd:option('-width', 128, 'numbers for each position; of the lstm, units of a layer')
  cmd:option('-heads', 4, 'heads of the gpt, a divisor of the width')
  cmd:option('-context', 128, 'characters of one example')
  cmd:option('-dropout', 0, 'probability, such as 0.2 for long runs')
  cmd:option('-batch', 16, 'examples for one step')
  cmd:option('-steps', 2000, 'how many steps to train; 0: only write')
  cmd:option('-lr', 1e-3, 'learning rate of Adam; it rises for a while, then falls along a cosine')
  cmd:option('-warmup', 100, 'steps in which the rate rises')
  cmd:option('-clip', 1, 'the most that the norm of all gradients may be; 0: any')
  cmd:option('-every', 250, 'steps between looks at the other text, which end in a checkpoint')
  script.device_options(cmd)
  cmd:option('-seed', 1, 'seed of the random numbers')
  cmd:option('-threads', 0, 'threads; 0: as the program starts')
  cmd:option('-save', 'charlm-checkpoint.t7', "checkpoint to write; '': none")
  cmd:option('-resume', '', 'checkpoint to go on from, with the options of its run')
  cmd:text()
  cmd:option('-sample', 300, 'characters to write at the end; 0: none')
  cmd:option('-prompt', '', 'what they begin with')
  cmd:option('-temperature', 0.8, 'below 1: surer, above: wilder; 0: always the most likely')
  cmd:option('-top_k', 40, 'choose among as many characters; 0: among all')
  cmd:option('-ask', false, 'read prompts from the terminal, a line each, and go on from them')
  local options = cmd:parse(arg)
  script.one_of(cmd, options, 'model', {'gpt', 'lstm'})
  script.whole(cmd, options, {'layers', 'width', 'heads', 'context', 'batch', 'every'}, 1)
  script.whole(cmd, options, {'steps', 'warmup', 'sample', 'top_k'}, 0)
  script.check_device(cmd, options)
  return options
end

-- ---------------------------------------------------------------------------------------------
-- Text.

local function read(path)
  local file, why = io.open(path, 'rb')
  if not file then error(('cannot open: %s'):format(why), 0) end
  local text = file:read('*a') or ''
  file:close()
  if text:sub(1, 2) == '\31\139' then text = require('moonlet.gzip').gunzip(text) end
  return text
end

-- The text in two parts, as classes.
local function load_text(options, alphabet)
  local text = read(options.data ~= '' and options.data or SHAKESPEARE)
  if text == '' then error('the text is empty', 0) end
  alphabet = alphabet or data.characters(text)
  local classes = alphabet:encode(text)
  local rest = math.floor(#text * VALIDATION)
  if rest <= options.context or #text - rest <= options.context then
    error(('the text has %d characters, too few for a context of %d'):format(#text,
      options.context), 0)
  end
  return alphabet, classes:narrow(1, 1, #text - rest), classes:narrow(1, #text - rest + 1, rest)
end

-- (batch, context) characters from random places, and those that come next.
local function draw(classes, options)
  local length, inputs, targets = options.context, {}, {}
  for i = 1, options.batch do
    local at = torch.random(1, classes:size(1) - length)
    inputs[i] = classes:narrow(1, at, length)
    targets[i] = classes:narrow(1, at + 1, length)
  end
  return torch.stack(inputs):to(options.device), torch.stack(targets):to(options.device)
end

-- ---------------------------------------------------------------------------------------------
-- Checkpoints: {format, model, optimizer, step, alphabet, random, options}, see train.checkpoint.

local FORMAT = 'moonlet charlm checkpoint 1'
local KEPT = {'data', 'model', 'layers', 'width', 'heads', 'context', 'dropout', 'batch', 'steps',
  'lr', 'warmup', 'clip', 'every', 'bf16', 'fp16', 'seed'}

local function new_run(options)
  torch.manualSeed(options.seed)
  local run = {step = 0}
  run.alphabet, run.train, run.validation = load_text(options)
  run.model = MODELS[options.model](run.alphabet.size, options):to(options.device)
  run.optimizer = optim.Adam(run.model:parameters(), {lr = options.lr})
  run.scaler = torch.GradScaler{enabled = options.fp16}
  return run
end

local function resume_run(options)
  local saved = checkpoint.load(options.resume, FORMAT)
  checkpoint.merge(options, saved.options, arg)
  local run = {step = saved.step, model = saved.model, alphabet = data.characters(saved.alphabet)}
  if options.steps > run.step then
    run.alphabet, run.train, run.validation = load_text(options, run.alphabet)
  end
  run.model:to(options.device)
  run.optimizer = optim.Adam(run.model:parameters(), {lr = options.lr})
  run.optimizer:load_state_dict(saved.optimizer)
  run.scaler = torch.GradScaler{enabled = options.fp16}
  if saved.scaler and saved.scaler.scale then run.scaler:load_state_dict(saved.scaler) end
  print(('going on after step %d of %s'):format(run.step, options.resume))
  return run
end

local function save(options, run)
  if options.save == '' then return end
  checkpoint.save(options.save, FORMAT, {model = run.model:clearState(),
    optimizer = run.optimizer:state_dict(), scaler = run.scaler:state_dict(), step = run.step,
    alphabet = run.alphabet.text, options = checkpoint.pick(options, KEPT)})
  options.saved = ('step %d'):format(run.step)
end

-- ---------------------------------------------------------------------------------------------
-- Training.

-- Adam's rate: up along a line, then down along a cosine to a tenth.
local function rate_at(step, options)
  if step <= options.warmup then return options.lr * step / options.warmup end
  local done = (step - options.warmup) / math.max(1, options.steps - options.warmup)
  return options.lr * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))
end

local function loss_of(run, classes, options)
  local inputs, targets = draw(classes, options)
  return torch.autocast(script.precision(options), run.model.loss, run.model, inputs, targets)
end

-- Steps to the next look. Returns the mean loss.
local function train(run, last, options)
  local label = ('step %d/%d'):format(last, options.steps)
  local bar = progress.new{total = last - run.step, label = label, unit = 'steps'}
  local sum, first = 0, run.step
  local function clip() optim.clip_grad_norm_(run.model, options.clip) end
  run.model:training()
  for step = first + 1, last do
    run.optimizer.options.lr = rate_at(step, options)
    local loss = loss_of(run, run.train, options)
    script.step(loss, run.optimizer, run.scaler, options.clip > 0 and clip)
    sum = sum + loss:item()
    bar:update(step - first, {loss = sum / (step - first)})
  end
  run.step = last
  bar:finish()
end

-- Mean loss on text that is not for training. Always the same places, and the random numbers of
-- training go on as if nothing had been drawn.
local function validate(run, options)
  local random, sum = torch.getRNGState(), 0
  torch.manualSeed(options.seed)
  run.model:evaluate()
  torch.no_grad(function()
    for _ = 1, VALIDATION_BATCHES do sum = sum + loss_of(run, run.validation, options) end
  end)
  torch.setRNGState(random)
  return sum / VALIDATION_BATCHES
end

-- ---------------------------------------------------------------------------------------------
-- Writing.

-- Goes on from a text, showing each character as soon as it is there.
local function write(run, prompt, count, options)
  if prompt == '' then prompt = run.alphabet.text:sub(1, 1) end -- of most texts: a new line
  local classes = run.alphabet:encode(prompt)
  io.write(prompt)
  run.model:generate(classes, count, {
    temperature = options.temperature, top_k = options.top_k > 0 and options.top_k or nil,
    each = function(class)
      io.write(run.alphabet:decode(class))
      io.flush()
    end,
  })
  io.write('\n')
end

local function ask(run, options)
  io.write('> ')
  io.flush()
  for line in io.lines() do
    local ok, message = pcall(write, run, line, options.sample, options)
    if not ok then
      if tostring(message):find('interrupted') then error(message, 0) end
      print('error: ' .. tostring(message))
    end
    io.write('> ')
    io.flush()
  end
  io.write('\n')
end

local function count_parameters(model)
  local count = 0
  for _, tensor in ipairs((model:parameters())) do count = count + tensor:nElement() end
  return count
end

local function main(options)
  local run = options.resume ~= '' and resume_run(options) or new_run(options)
  print(('%s with %d parameters, %d characters'):format(torch.type(run.model),
    count_parameters(run.model), run.alphabet.size))
  while run.step < options.steps do
    train(run, math.min(options.steps, (math.floor(run.step / options.every) + 1) * options.every),
      options)
    print(('step %d/%d  validation loss %.4f'):format(run.step, options.steps,
      validate(run, options)))
    save(options, run)
  end
  if options.sample > 0 and not options.ask then
    write(run, options.prompt, options.sample, options)
  end
  if options.ask then ask(run, options) end
end

script.run(main, parse_options())
