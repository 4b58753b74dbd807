-- Trains a network of 784, 128 and 10 units to read handwritten digits:
--
--   moonlet scripts/train/mnist.lua [-epochs 60] [-help]
--
-- 9,000 digits are few for 100,000 weights, so that each batch is distorted a little: turned,
-- shifted, bent. After each epoch all that is needed to go on is saved; -resume goes on from there,
-- and ends with the same network as a run without a break.
local torch, nn, optim = require 'torch', require 'nn', require 'optim'
local data = require 'data'
local progress = require 'train.progress'
local ascii = require 'image.ascii'

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
  cmd:option('-seed', 1, 'seed of the random numbers')
  cmd:option('-threads', 0, 'threads; 0: as the program starts')
  cmd:option('-train', 9000, 'digits to train on, of 10000; the others are for testing')
  cmd:option('-data', '', 'folder with other idx files of that name; default: those built in')
  cmd:option('-save', 'mnist-checkpoint.t7', "checkpoint to write after each epoch; '': none")
  cmd:option('-resume', '', 'checkpoint to go on from, with the options of its run')
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
local KEPT = {'epochs', 'batch', 'lr', 'distort', 'hidden', 'seed', 'train'}

local function new_run(options)
  torch.manualSeed(options.seed)
  local model = nn.Sequential(
    nn.Linear(784, options.hidden),
    nn.ReLU(),
    nn.Linear(options.hidden, 10))
  return model, optim.Adam(model:parameters(), {lr = options.lr}), 0
end

local function is_given(name)
  for _, word in ipairs(arg) do
    if word == '-' .. name then return true end
  end
  return false
end

local function resume_run(options)
  local checkpoint = torch.load(options.resume)
  if type(checkpoint) ~= 'table' or checkpoint.format ~= FORMAT then
    error(('%s is not a checkpoint of this script'):format(options.resume), 0)
  end
  for _, name in ipairs(KEPT) do
    if not is_given(name) then options[name] = checkpoint.options[name] end
  end
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
-- Distortion: a new image takes each pixel from a place nearby in the old one, between four pixels.

local SIDE = 28
-- Rows and columns of all pixels, from the middle of the image.
local rows = torch.range(0, SIDE - 1):view(SIDE, 1):expand(SIDE, SIDE):reshape(SIDE * SIDE)
  - (SIDE - 1) / 2
local columns = torch.range(0, SIDE - 1):view(1, SIDE):expand(SIDE, SIDE):reshape(SIDE * SIDE)
  - (SIDE - 1) / 2

-- A wave over the image, up to one pixel high and at least 21 long.
local function wave(amount)
  local along, across, phase = torch.uniform(-0.3, 0.3), torch.uniform(-0.3, 0.3),
    torch.uniform(-math.pi, math.pi)
  return (rows * along + columns * across + phase):sin():mul(torch.uniform(-amount, amount))
end

-- One coordinate of the places: a multiple of both, a shift of up to 1.5 pixels, and two waves.
local function places(by_row, by_column, amount)
  local shift = torch.uniform(-1.5, 1.5) * amount + (SIDE - 1) / 2
  return (rows * by_row + columns * by_column + shift):add(wave(amount)):add(wave(amount))
end

-- Up to 10 degrees, 10 % larger or smaller, sheared by 0.15.
local function distorted(images, amount)
  if amount == 0 then return images end
  local angle = math.rad(torch.uniform(-10, 10) * amount)
  local scale = 1 + torch.uniform(-0.1, 0.1) * amount
  local cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
  local y = places(cosine, -sine, amount)
  local x = places(sine + torch.uniform(-0.15, 0.15) * amount, cosine, amount)
  local top, left = torch.floor(y), torch.floor(x)
  local below, right = y - top, x - left
  local pixels = images:t():contiguous() -- rows are faster to pick than columns
  local out
  for corner = 0, 3 do
    local down, over = corner % 2, math.floor(corner / 2)
    local row, column = top + down, left + over
    local share = torch.cmul(down == 1 and below or 1 - below, over == 1 and right or 1 - right)
    -- What lies outside is paper.
    local inside = torch.cmul(row:ge(0), row:lt(SIDE)):cmul(column:ge(0)):cmul(column:lt(SIDE))
    row:clamp(0, SIDE - 1)
    column:clamp(0, SIDE - 1)
    local part = pixels:index(1, (row * SIDE + column + 1):long())
    part:cmul(share:cmul(inside:float()):view(SIDE * SIDE, 1))
    out = out and out:add(part) or part
  end
  return out:t():contiguous()
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

local function train_epoch(model, criterion, optimizer, set, label, options)
  local count = set.images:size(1)
  local order = torch.randperm(count, 'torch.LongTensor')
  local bar = progress.new{total = count, label = label}
  local loss_sum, right, done = 0, 0, 0
  model:training()
  while done < count do
    local chosen = order:narrow(1, done + 1, math.min(options.batch, count - done))
    local images, labels = set.images:index(1, chosen), set.labels:index(1, chosen)
    images = distorted(images, options.distort)
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
    optimizer.options.lr = options.lr * (1 + math.cos(math.pi * (epoch - 1) / options.epochs)) / 2
    train_epoch(model, criterion, optimizer, digits.train, label, options)
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
