-- Trains a network of 784, 128 and 10 units to read handwritten digits:
--
--   moonlet scripts/train/mnist.lua [-epochs 60] [-device cuda] [-help]
--
-- 9,000 digits are few for 100,000 weights, so that each batch is distorted a little: turned,
-- shifted, bent. After each epoch all that is needed to go on is saved; -resume goes on from there,
-- and ends with the same network as a run without a break.
local torch, nn, optim = require 'torch', require 'nn', require 'optim'
local data = require 'data'
local progress = require 'train.progress'
local checkpoint = require 'train.checkpoint'
local script = require 'train.script'
local ascii = require 'image.ascii'
local distort = require 'image.distort'

local SHOWN = 8 -- digits drawn at the end

local function parse_options()
  local cmd = torch.CmdLine()
  cmd:text('Trains a network to read handwritten digits.')
  cmd:text()
  cmd:option('-epochs', 60, 'how often to go through the digits')
  cmd:option('-batch', 32, 'digits for one step')
  cmd:option('-lr', 1e-3, 'learning rate of Adam at the start; it falls along a cosine')
  cmd:option('-distort', 0.8, 'how much to distort digits in training; 0: not at all')
  cmd:option('-hidden', 128, 'hidden units')
  cmd:option('-device', 'cpu', 'where to calculate: cpu; cuda, a GPU; cuda:1, the second one')
  cmd:option('-seed', 1, 'seed of the random numbers')
  cmd:option('-threads', 0, 'threads; 0: as the program starts')
  cmd:option('-train', 9000, 'digits to train on, of 10000; the others are for testing')
  cmd:option('-data', '', 'folder with other idx files of that name; default: those built in')
  cmd:option('-save', 'mnist-checkpoint.t7', "checkpoint to write after each epoch; '': none")
  cmd:option('-resume', '', 'checkpoint to go on from, with the options of its run')
  local options = cmd:parse(arg)
  script.whole(cmd, options, {'epochs', 'batch', 'hidden'}, 1)
  script.check_device(cmd, options)
  return options
end

-- ---------------------------------------------------------------------------------------------
-- Checkpoints: {format, model, optimizer, epoch, random, options}, see train.checkpoint.

local FORMAT = 'moonlet mnist checkpoint 1'
local KEPT = {'epochs', 'batch', 'lr', 'distort', 'hidden', 'seed', 'train'}

local function new_run(options)
  torch.manualSeed(options.seed)
  local model = nn.Sequential(
    nn.Linear(784, options.hidden),
    nn.ReLU(),
    nn.Linear(options.hidden, 10)):to(options.device)
  return model, optim.Adam(model:parameters(), {lr = options.lr}), 0
end

local function resume_run(options)
  local saved = checkpoint.load(options.resume, FORMAT)
  checkpoint.merge(options, saved.options, arg)
  local model = saved.model:to(options.device)
  local optimizer = optim.Adam(model:parameters(), {lr = options.lr})
  optimizer:load_state_dict(saved.optimizer)
  print(('going on after epoch %d of %s'):format(saved.epoch, options.resume))
  return model, optimizer, saved.epoch
end

local function save(options, model, optimizer, epoch)
  if options.save == '' then return end
  checkpoint.save(options.save, FORMAT, {model = model, optimizer = optimizer:state_dict(),
    epoch = epoch, options = checkpoint.pick(options, KEPT)})
  options.saved = ('epoch %d'):format(epoch)
end

-- ---------------------------------------------------------------------------------------------
-- Training and testing.

-- The classes that the network reads, 1 to 10.
local function classes(output)
  local _, best = output:max(2)
  return best:view(best:nElement())
end

local function count_equal(a, b)
  return a:eq(b):to('int64'):sum()
end

local function train_epoch(model, criterion, optimizer, set, label, options)
  local count = set.images:size(1)
  local order = torch.randperm(count, 'torch.LongTensor')
  local bar = progress.new{total = count, label = label}
  local loss_sum, right, done = 0, 0, 0
  model:training()
  while done < count do
    local chosen = order:narrow(1, done + 1, math.min(options.batch, count - done))
    local images, labels = set.images:index(1, chosen), set.labels:index(1, chosen)
    images = distort(images, options.distort):to(options.device)
    labels = labels:to(options.device)
    local output = model(images)
    local loss = criterion(output, labels)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()

    local n = chosen:size(1)
    done = done + n
    loss_sum = loss_sum + loss:item() * n
    right = right + count_equal(classes(output:detach()), labels)
    bar:update(done, {loss = loss_sum / done, accuracy = right / done})
  end
  bar:finish()
end

local function accuracy(model, set, device)
  model:evaluate()
  return torch.no_grad(function()
    local read = classes(model(set.images:to(device)))
    return count_equal(read, set.labels:to(device)) / set.labels:nElement()
  end)
end

-- A few test digits as text, and below each what the network read.
local function show(model, set, device)
  local count = math.min(SHOWN, set.images:size(1))
  local images = set.images:narrow(1, 1, count)
  local read = torch.no_grad(function() return classes(model(images:to(device))):cpu() end)
  local captions = {}
  for i = 1, count do
    captions[i] = ('read %d'):format(read[i] - 1)
    if read[i] ~= set.labels[i] then
      captions[i] = captions[i] .. (', is %d'):format(set.labels[i] - 1)
    end
  end
  io.write('\n', ascii.draw(images, {captions = captions}), '\n')
end

local function main(options)
  local start = options.resume ~= '' and resume_run or new_run
  local model, optimizer, done = start(options)
  local criterion = nn.CrossEntropyCriterion():to(options.device)
  local digits = data.mnist{path = options.data ~= '' and options.data or nil,
    train = options.train}

  print(model)
  print(('%d digits to train on, %d to test'):format(digits.train.images:size(1),
    digits.test.images:size(1)))
  for epoch = done + 1, options.epochs do
    local label = ('epoch %d/%d'):format(epoch, options.epochs)
    optimizer.options.lr = options.lr * (1 + math.cos(math.pi * (epoch - 1) / options.epochs)) / 2
    train_epoch(model, criterion, optimizer, digits.train, label, options)
    print(('%s  test accuracy %.2f %%'):format(label, 100 * accuracy(model, digits.test,
      options.device)))
    save(options, model, optimizer, epoch)
  end
  show(model, digits.test, options.device)
  print(('test accuracy: %.2f %%'):format(100 * accuracy(model, digits.test, options.device)))
end

script.run(main, parse_options())
