-- Trains a network of 784, 128 and 10 units to read handwritten digits:
--
--   moonlet scripts/train/mnist.lua [-epochs 10] [-help]
--
-- After each epoch all that is needed to go on is saved; -resume goes on from there, and ends with
-- the same network as a run without a break.
local torch, nn, optim = require 'torch', require 'nn', require 'optim'
local data = require 'data'
local progress = require 'train.progress'
local ascii = require 'image.ascii'

local SHOWN = 8 -- digits drawn at the end

local function parse_options()
  local cmd = torch.CmdLine()
  cmd:text('Trains a network to read handwritten digits.')
  cmd:text()
  cmd:option('-epochs', 10, 'how often to go through the digits')
  cmd:option('-batch', 32, 'digits for one step')
  cmd:option('-lr', 1e-3, 'learning rate of Adam')
  cmd:option('-hidden', 128, 'hidden units')
  cmd:option('-seed', 1, 'seed of the random numbers')
  cmd:option('-threads', 0, 'threads; 0: as the program starts')
  cmd:option('-train', 9000, 'digits to train on, of 10000; the others are for testing')
  cmd:option('-data', '', 'folder with other idx files of that name; default: those built in')
  cmd:option('-save', 'mnist-checkpoint.t7', "checkpoint to write after each epoch; '': none")
  cmd:option('-resume', '', 'checkpoint to go on from, with its batch, lr, hidden and seed')
  local options = cmd:parse(arg)
  for _, name in ipairs {'epochs', 'batch', 'hidden'} do
    if options[name] < 1 or options[name] % 1 ~= 0 then
      cmd:error(('-%s: a whole number above 0 expected, got %g'):format(name, options[name]))
    end
  end
  return options
end

-- ---------------------------------------------------------------------------------------------
-- Checkpoints: {format, model, optimizer, epoch, random, options}.

local FORMAT = 'moonlet mnist checkpoint 1'
local KEPT = {'batch', 'lr', 'hidden', 'seed', 'train'}

local function new_run(options)
  torch.manualSeed(options.seed)
  local model = nn.Sequential(
    nn.Linear(784, options.hidden),
    nn.ReLU(),
    nn.Linear(options.hidden, 10))
  return model, optim.Adam(model:parameters(), {lr = options.lr}), 0
end

local function resume_run(options)
  local checkpoint = torch.load(options.resume)
  if type(checkpoint) ~= 'table' or checkpoint.format ~= FORMAT then
    error(('%s is not a checkpoint of this script'):format(options.resume), 0)
  end
  for _, name in ipairs(KEPT) do options[name] = checkpoint.options[name] end
  local model = checkpoint.model
  local optimizer = optim.Adam(model:parameters(), {lr = options.lr})
  optimizer:load_state_dict(checkpoint.optimizer)
  torch.setRNGState(checkpoint.random)
  print(('going on after epoch %d of %s'):format(checkpoint.epoch, options.resume))
  return model, optimizer, checkpoint.epoch
end

local function save(options, model, optimizer, epoch)
  if options.save == '' then return end
  local kept = {}
  for _, name in ipairs(KEPT) do kept[name] = options[name] end
  torch.save(options.save, {
    format = FORMAT, model = model, optimizer = optimizer:state_dict(), epoch = epoch,
    random = torch.getRNGState(), options = kept,
  })
  options.saved = epoch
end

-- ---------------------------------------------------------------------------------------------
-- Training and testing.

-- The classes that the network reads, 1 to 10.
local function classes(output)
  local _, best = output:max(2)
  return best:view(best:nElement())
end

local function count_equal(a, b)
  return a:eq(b):long():sum()
end

local function train_epoch(model, criterion, optimizer, set, label, batch)
  local count = set.images:size(1)
  local order = torch.randperm(count, 'torch.LongTensor')
  local bar = progress.new{total = count, label = label}
  local loss_sum, right, done = 0, 0, 0
  model:training()
  while done < count do
    local rows = order:narrow(1, done + 1, math.min(batch, count - done))
    local images, labels = set.images:index(1, rows), set.labels:index(1, rows)
    local output = model(images)
    local loss = criterion(output, labels)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()

    local n = rows:size(1)
    done = done + n
    loss_sum = loss_sum + loss:item() * n
    right = right + count_equal(classes(output:detach()), labels)
    bar:update(done, {loss = loss_sum / done, accuracy = right / done})
  end
  bar:finish()
end

local function accuracy(model, set)
  model:evaluate()
  return torch.no_grad(function()
    return count_equal(classes(model(set.images)), set.labels) / set.labels:nElement()
  end)
end

-- A few test digits as text, and below each what the network read.
local function show(model, set)
  local count = math.min(SHOWN, set.images:size(1))
  local images = set.images:narrow(1, 1, count)
  local read = torch.no_grad(function() return classes(model(images)) end)
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
  if options.threads > 0 then torch.setnumthreads(options.threads) end
  local start = options.resume ~= '' and resume_run or new_run
  local model, optimizer, done = start(options)
  local criterion = nn.CrossEntropyCriterion()
  local digits = data.mnist{path = options.data ~= '' and options.data or nil,
    train = options.train}

  print(model)
  print(('%d digits to train on, %d to test'):format(digits.train.images:size(1),
    digits.test.images:size(1)))
  for epoch = done + 1, options.epochs do
    local label = ('epoch %d/%d'):format(epoch, options.epochs)
    train_epoch(model, criterion, optimizer, digits.train, label, options.batch)
    print(('%s  test accuracy %.2f %%'):format(label, 100 * accuracy(model, digits.test)))
    save(options, model, optimizer, epoch)
  end
  show(model, digits.test)
  print(('test accuracy: %.2f %%'):format(100 * accuracy(model, digits.test)))
end

-- Ctrl-C ends an epoch in the middle, but not the writing of a file.
local function report(options, message)
  if not tostring(message):find('interrupted') then
    io.stderr:write('error: ', tostring(message), '\n')
    os.exit(1, true)
  end
  local hint = ''
  if options.saved then
    hint = (': epoch %d is saved, -resume %s goes on'):format(options.saved, options.save)
  end
  io.stderr:write('\ninterrupted', hint, '\n')
  os.exit(130, true)
end

local options = parse_options()
local ok, message = pcall(main, options)
if not ok then report(options, message) end
