-- Trains a network for images on handwritten digits:
--
--   moonlet scripts/train/images.lua [-model lenet] [-epochs 20] [-device cuda] [-bf16] [-help]
--
-- The models are those of nn/models, in sizes that suit 28 x 28 pixels. Each batch is distorted a
-- little. After each epoch all that is needed to go on is saved; -resume goes on from there, and
-- ends with the same network as a run without a break.
local torch, nn, optim = require 'torch', require 'nn', require 'optim'
local data = require 'data'
local progress = require 'train.progress'
local checkpoint = require 'train.checkpoint'
local script = require 'train.script'
local distort = require 'image.distort'

local SIDE, CLASSES = 28, 10

-- name -> a function of the width, which scales the channels of all but lenet.
local MODELS = {
  lenet = function() return nn.LeNet() end,
  resnet = function(width)
    return nn.ResNet{depth = 18, channels = 1, classes = CLASSES, small_images = true,
      width = width}
  end,
  mobilenet = function(width)
    return nn.MobileNetV2{channels = 1, classes = CLASSES, small_images = true, width = width / 32}
  end,
  vit = function(width)
    return nn.ViT{size = SIDE, patch = 4, channels = 1, classes = CLASSES, width = 4 * width,
      layers = 4, heads = 4}
  end,
}

local function parse_options()
  local names = {}
  for name in pairs(MODELS) do names[#names + 1] = name end
  table.sort(names)
  local cmd = torch.CmdLine()
  cmd:text('Trains a network for images to read handwritten digits.')
  cmd:text()
  cmd:option('-model', 'lenet', table.concat(names, ', '))
  cmd:option('-width', 16, 'channels to begin with; the original networks have 32 or 64')
  cmd:option('-epochs', 20, 'how often to go through the digits')
  cmd:option('-batch', 64, 'digits for one step')
  cmd:option('-lr', 2e-3, 'learning rate of Adam at the start; it falls along a cosine')
  cmd:option('-distort', 0.8, 'how much to distort digits in training; 0: not at all')
  script.device_options(cmd)
  cmd:option('-seed', 1, 'seed of the random numbers')
  cmd:option('-threads', 0, 'threads; 0: as the program starts')
  cmd:option('-train', 9000, 'digits to train on, of 10000; the others are for testing')
  cmd:option('-test', 0, 'digits to test on, at most; 0: all others')
  cmd:option('-data', '', 'folder with other idx files of that name; default: those built in')
  cmd:option('-save', 'images-checkpoint.t7', "checkpoint to write after each epoch; '': none")
  cmd:option('-resume', '', 'checkpoint to go on from, with the options of its run')
  local options = cmd:parse(arg)
  script.one_of(cmd, options, 'model', names)
  script.whole(cmd, options, {'width', 'epochs', 'batch'}, 1)
  script.whole(cmd, options, {'test'}, 0)
  script.check_device(cmd, options)
  return options
end

-- ---------------------------------------------------------------------------------------------
-- Checkpoints: {format, model, optimizer, epoch, random, options}, see train.checkpoint.

local FORMAT = 'moonlet images checkpoint 1'
local KEPT = {'model', 'width', 'epochs', 'batch', 'lr', 'distort', 'bf16', 'fp16', 'seed',
  'train'}

local function new_run(options)
  torch.manualSeed(options.seed)
  local model = MODELS[options.model](options.width):to(options.device)
  return model, optim.Adam(model:parameters(), {lr = options.lr}), 0,
    torch.GradScaler{enabled = options.fp16}
end

local function resume_run(options)
  local saved = checkpoint.load(options.resume, FORMAT)
  checkpoint.merge(options, saved.options, arg)
  local optimizer = optim.Adam(saved.model:to(options.device):parameters(), {lr = options.lr})
  local scaler = torch.GradScaler{enabled = options.fp16}
  optimizer:load_state_dict(saved.optimizer)
  if saved.scaler and saved.scaler.scale then scaler:load_state_dict(saved.scaler) end
  print(('going on after epoch %d of %s'):format(saved.epoch, options.resume))
  return saved.model, optimizer, saved.epoch, scaler
end

local function save(options, model, optimizer, epoch, scaler)
  if options.save == '' then return end
  checkpoint.save(options.save, FORMAT, {model = model:clearState(),
    optimizer = optimizer:state_dict(), scaler = scaler:state_dict(), epoch = epoch,
    options = checkpoint.pick(options, KEPT)})
  options.saved = ('epoch %d'):format(epoch)
end

-- ---------------------------------------------------------------------------------------------
-- Training and testing.

local function as_images(rows)
  return rows:view(rows:size(1), 1, SIDE, SIDE)
end

local function count_right(output, labels)
  local _, best = output:max(2)
  return best:view(-1):eq(labels):to('int64'):sum()
end

local function train_epoch(model, criterion, optimizer, scaler, set, label, options)
  local count = set.images:size(1)
  local order = torch.randperm(count, 'torch.LongTensor')
  local bar = progress.new{total = count, label = label}
  local loss_sum, right, done = 0, 0, 0
  model:training()
  while done < count do
    local chosen = order:narrow(1, done + 1, math.min(options.batch, count - done))
    local labels = set.labels:index(1, chosen):to(options.device)
    local images = as_images(distort(set.images:index(1, chosen), options.distort))
      :to(options.device)
    local output, loss = torch.autocast(script.precision(options), function()
      local result = model(images)
      return result, criterion(result, labels)
    end)
    script.step(loss, optimizer, scaler)

    local n = chosen:size(1)
    done = done + n
    loss_sum = loss_sum + loss:item() * n
    right = right + count_right(output:detach(), labels)
    bar:update(done, {loss = loss_sum / done, accuracy = right / done})
  end
  bar:finish()
end

local function accuracy(model, set, options)
  local count, right = set.labels:size(1), 0
  model:evaluate()
  torch.no_grad(torch.autocast, script.precision(options), function()
    for first = 1, count, 250 do
      local n = math.min(250, count - first + 1)
      local images = as_images(set.images:narrow(1, first, n)):to(options.device)
      right = right + count_right(model(images), set.labels:narrow(1, first, n):to(options.device))
    end
  end)
  return right / count
end

local function count_parameters(model)
  local count = 0
  for _, tensor in ipairs((model:parameters())) do count = count + tensor:nElement() end
  return count
end

local function main(options)
  local start = options.resume ~= '' and resume_run or new_run
  local model, optimizer, done, scaler = start(options)
  local criterion = nn.CrossEntropyCriterion():to(options.device)
  local digits = data.mnist{path = options.data ~= '' and options.data or nil,
    train = options.train}
  if options.test > 0 and options.test < digits.test.labels:size(1) then
    for name, tensor in pairs(digits.test) do
      digits.test[name] = tensor:narrow(1, 1, options.test)
    end
  end
  print(('%s with %d parameters; %d digits to train on, %d to test'):format(torch.type(model),
    count_parameters(model), digits.train.images:size(1), digits.test.images:size(1)))
  local right
  for epoch = done + 1, options.epochs do
    local label = ('epoch %d/%d'):format(epoch, options.epochs)
    optimizer.options.lr = options.lr * (1 + math.cos(math.pi * (epoch - 1) / options.epochs)) / 2
    train_epoch(model, criterion, optimizer, scaler, digits.train, label, options)
    right = accuracy(model, digits.test, options)
    print(('%s  test accuracy %.2f %%'):format(label, 100 * right))
    save(options, model, optimizer, epoch, scaler)
  end
  print(('test accuracy: %.2f %%'):format(100 * (right or accuracy(model, digits.test, options))))
end

script.run(main, parse_options())
