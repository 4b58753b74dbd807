--- Moonlit moths: 36 moths with one small brain learn, while you play, to follow your lantern and
-- to keep away from the owl.  love scripts/embed/love [options]
--
--   --seed N            the same garden and the same first brain each time
--   --frames N          ends after N frames of 1/60 s, of which it shows every 50th; nobody carries
--                       the lantern
--   --screenshot FILE   writes the last frame as a PNG
--   --report FILE       writes what was measured, for tests
--
-- How a LÖVE game takes Moonlet in: moonlet.so (`make` puts it into build/) must be found by
-- require, and everything else is in the table that it returns.
local folder = os.getenv('MOONLET_BUILD') or love.filesystem.getSource() .. '/../../../build'
package.cpath = folder .. '/?.so;' .. package.cpath
local moonlet = require 'moonlet'
local torch = moonlet.torch -- and moonlet.nn, moonlet.optim; no global is made
local clock = love.timer.getTime

local World, scene, panel = require 'world', require 'scene', require 'panel'
local Brain = require 'brain'(moonlet)
local report = require 'report'

local MOTHS = 36
local STEP = 1 / 60
local BUDGET = 0.004   -- seconds of each frame that learning may take
local FAST = 8         -- steps per frame
local SHOWN = 50       -- with --frames, one in so many is drawn
local IDLE = 6         -- seconds without the mouse, until the lantern goes by itself

local options = {seed = os.time()}
local game = {}

-- LÖVE shows errors in the window and waits for a key, for which a test has no finger.
local show_error = love.errorhandler
function love.errorhandler(message)
  if not options.frames then return show_error(message) end
  io.stderr:write(debug.traceback('error: ' .. tostring(message), 2), '\n')
  return function() return 1 end
end

local function read_options(arguments)
  local i = 1
  while i <= #arguments do
    local name, value = arguments[i]:match('^%-%-(%w+)$'), arguments[i + 1]
    if name == 'seed' or name == 'frames' then
      value = tonumber(value) or error(('--%s wants a number'):format(name), 0)
    elseif (name ~= 'screenshot' and name ~= 'report') or not value then
      error(('main.lua: cannot make sense of %s'):format(arguments[i]), 0)
    end
    options[name] = value
    i = i + 2
  end
end

local function reset()
  local random = love.math.newRandomGenerator(options.seed)
  torch.manualSeed(options.seed)
  game.world = World.new(MOTHS, random)
  game.brain = Brain.new(MOTHS, #World.SENSES, #World.MUSCLES, clock)
  game.history, game.second, game.score = {}, {sum = 0, count = 0}, 0
  game.time, game.learning = 0, 0
  scene.load(World.WIDTH, World.HEIGHT, love.math.newRandomGenerator(3))
end

-- The first round compiles and loads what all others use: it is over before the first frame.
local function warm_up()
  local world, brain = game.world, game.brain
  for _ = 1, 24 do
    if brain.step > 0 then world:pay(brain:reward()) end
    world:sense(brain:sense())
    world:want(brain:act())
    brain:learn(1)
  end
end

function love.load(arguments)
  read_options(arguments)
  love.graphics.setLineStyle('smooth')
  panel.load(World.WIDTH, love.graphics.getWidth() - World.WIDTH, love.graphics.getHeight())
  reset()
  warm_up()
  reset()
  game.learns, game.help, game.fast = true, true, false
  game.mouse_moved = -math.huge
  report.begin()
end

-- The share of each second is a point of the curve; the number on the panel is smoother.
local function keep_score(lit)
  local second = game.second
  game.score = game.score + (lit - game.score) * 0.03
  second.sum, second.count = second.sum + lit, second.count + 1
  if second.count == 60 then
    table.insert(game.history, second.sum / 60)
    second.sum, second.count = 0, 0
  end
end

local function step(x, y)
  local world, brain = game.world, game.brain
  if world:decides() then
    if brain.step > 0 then world:pay(brain:reward()) end
    world:sense(brain:sense())
    world:want(brain:act())
  end
  keep_score(world:update(STEP, x, y))
  game.time = game.time + STEP
end

local function lantern_target()
  if options.frames or clock() - game.mouse_moved > IDLE then return nil end
  local x, y = love.mouse.getPosition()
  return math.min(x, World.WIDTH - 30), y
end

local owed = 0 -- seconds of the garden's time that are still to come

local function advance(x, y)
  for _ = 1, game.fast and FAST or 1 do step(x, y) end
end

-- What is left of a frame's time goes to learning, but no more than the budget.
local function learn()
  if not game.learns then return end
  report.start()
  local used = game.brain:learn(BUDGET)
  report.stop(BUDGET)
  if used > 0 then game.learning = game.learning + (used - game.learning) * 0.05 end
end

function love.update(dt)
  if options.frames then
    for _ = 1, SHOWN do
      if game.world.frame < options.frames then
        advance()
        learn()
      end
    end
    return
  end
  local x, y = lantern_target()
  owed = math.min(owed + dt, 4 * STEP)
  while owed > STEP * 0.99 do
    advance(x, y)
    owed = owed - STEP
  end
  learn()
end

-- What the moth nearest to the lantern senses, thinks and wants; and the weights, where they are.
local function mind_of(index)
  local brain, policy = game.brain, game.brain.policy
  return torch.no_grad(function()
    local senses = brain.senses[math.max(1, brain.step)][index]
    local hidden = torch.tanh(policy:get(1)(senses))
    local wants = policy:get(3)(hidden)
    return {senses = senses:totable(), hidden = hidden:totable(), wants = wants:totable(),
      first = policy:get(1).weight:data(), second = policy:get(3).weight:data(),
      sense_names = World.SENSES, muscle_names = World.MUSCLES}
  end)
end

-- It stays the same for a while, so that one can follow it.
local function choose()
  if not game.chosen or game.time > game.choose_again then
    local best, lantern = math.huge, game.world.lantern
    for i, moth in ipairs(game.world.moths) do
      local far = math.sqrt((moth.x - lantern.x) ^ 2 + (moth.y - lantern.y) ^ 2)
      if math.abs(far - 60) < best then best, game.chosen = math.abs(far - 60), i end
    end
    game.choose_again = game.time + 5
  end
  return game.chosen
end

function love.draw()
  local chosen = choose()
  scene.draw(game.world, game.world.moths[chosen], game.time)
  panel.draw {
    history = game.history, score = game.score, rounds = game.brain.rounds, learns = game.learns,
    learning = game.learning, budget = BUDGET, fps = not options.frames and love.timer.getFPS(),
    fast = game.fast, help = game.help, mind = mind_of(chosen),
  }
  if options.frames and game.world.frame >= options.frames then
    if options.screenshot then report.screenshot(options.screenshot) end
    if options.report then report.write(options.report, game.history, game.brain.rounds) end
    options.frames = math.huge
    game.ending = 2 -- a screenshot is taken at the end of a frame
  end
  if game.ending then
    game.ending = game.ending - 1
    if game.ending == 0 then love.event.quit() end
  end
end

function love.mousemoved()
  game.mouse_moved = clock()
end

function love.keypressed(key)
  if key == 'space' then game.learns = not game.learns end
  if key == 'r' then
    options.seed = options.seed + 1
    reset()
  end
  if key == 'f' then game.fast = not game.fast end
  if key == 'h' then game.help = not game.help end
  if key == 'escape' then love.event.quit() end
end
