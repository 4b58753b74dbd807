--- The garden at night: moths that fly, a lantern that the player carries, and an owl.
local World = {WIDTH = 680, HEIGHT = 540, GLOW = 110, FLAME = 28}
World.__index = World

World.SENSES = {'light ahead', 'light left', 'light near', 'owl ahead', 'owl left', 'owl near',
  'my speed'}
World.MUSCLES = {'turn', 'flap'}

local FRAMES_PER_DECISION = 4
local TURN, SLOW, FAST = 5.5, 40, 210      -- radians and pixels per second
local LANTERN_SPEED, OWL_REACH = 170, 24
local BORDER, APART = 14, 20

function World.new(moths, random)
  local self = setmetatable({moths = {}, random = random, frame = 0, time = 0}, World)
  self.lantern = {x = 340, y = 250}
  self.owl = {x = 100, y = 120, angle = 0}
  self.caught = 0
  for i = 1, moths do
    self.moths[i] = {turn = 0, flap = 0, lit = 0, reward = 0, phase = random:random() * 6}
    self:place(self.moths[i])
  end
  return self
end

-- Somewhere at the edge, as far from the owl as chance has it.
function World:place(moth)
  local random = self.random
  local side, along = random:random(4), random:random()
  moth.x = side == 1 and BORDER or side == 2 and World.WIDTH - BORDER or along * World.WIDTH
  moth.y = side == 3 and BORDER or side == 4 and World.HEIGHT - BORDER or along * World.HEIGHT
  moth.angle, moth.speed = random:random() * 2 * math.pi, SLOW
  moth.distance = nil
end

local function distance(a, b)
  return math.sqrt((a.x - b.x) ^ 2 + (a.y - b.y) ^ 2)
end

-- Where `other` is, seen by the moth: ahead and left as parts of a unit vector, and the distance.
local function see(moth, other)
  local dx, dy = other.x - moth.x, other.y - moth.y
  local far = math.sqrt(dx * dx + dy * dy) + 1e-3
  local c, s = math.cos(moth.angle), math.sin(moth.angle)
  return (dx * c + dy * s) / far, (dx * s - dy * c) / far, far
end

--- Writes what each moth senses to a pointer to moths x 7 floats.
function World:sense(out)
  for i, moth in ipairs(self.moths) do
    local at = (i - 1) * #World.SENSES
    local ahead, left, far = see(moth, self.lantern)
    out[at], out[at + 1], out[at + 2] = ahead, left, math.exp(-far / 150)
    ahead, left, far = see(moth, self.owl)
    local near = math.exp(-far / 70)
    out[at + 3], out[at + 4], out[at + 5] = ahead * near, left * near, near
    out[at + 6] = moth.speed / FAST
  end
end

--- Takes what each moth wants from a pointer to moths x 2 floats.
function World:want(actions)
  for i, moth in ipairs(self.moths) do
    moth.turn = math.max(-1, math.min(1, actions[(i - 1) * 2]))
    moth.flap = math.max(-1, math.min(1, actions[(i - 1) * 2 + 1]))
  end
end

--- Is this a frame in which moths decide?
function World:decides()
  return self.frame % FRAMES_PER_DECISION == 0
end

--- Writes what each moth got since its last decision: it likes to come nearer to the light and to
-- be in its glow, but not in the flame, and dislikes the owl.
function World:pay(out)
  for i, moth in ipairs(self.moths) do
    local far = distance(moth, self.lantern)
    local reward = moth.distance and far > World.GLOW / 2 and (moth.distance - far) / 12 or 0
    if far < World.FLAME then
      reward = reward - 0.6
    elseif far < World.GLOW then
      reward = reward + 0.4
    end
    if moth.was_caught then reward = reward - 4 end
    moth.distance, moth.was_caught, moth.reward = far, nil, reward
    out[i - 1] = reward
  end
end

function World:move_lantern(dt, x, y)
  local lantern = self.lantern
  local dx, dy = x - lantern.x, y - lantern.y
  local far = math.sqrt(dx * dx + dy * dy)
  local step = math.min(1, LANTERN_SPEED * dt / math.max(far, 1e-6))
  lantern.x = math.max(30, math.min(World.WIDTH - 30, lantern.x + dx * step))
  lantern.y = math.max(30, math.min(World.HEIGHT - 60, lantern.y + dy * step))
end

-- Where the lantern goes by itself.
function World:wander()
  local t = self.time * 0.33
  local x, y = 0.5 + 0.36 * math.sin(2 * t), 0.46 + 0.3 * math.sin(3 * t + 1)
  return World.WIDTH * x, World.HEIGHT * y
end

function World:move_owl(dt)
  local owl, t = self.owl, self.time * 0.4
  local x = World.WIDTH * (0.5 + 0.44 * math.cos(t * 1.3 + 2))
  local y = World.HEIGHT * (0.45 + 0.36 * math.sin(t * 1.9))
  owl.angle = math.atan2(y - owl.y, x - owl.x)
  local part = math.min(1, 3 * dt)
  owl.x, owl.y = owl.x + (x - owl.x) * part, owl.y + (y - owl.y) * part
end

-- Moths keep a body's width apart.
function World:separate()
  local moths = self.moths
  for i = 2, #moths do
    local a = moths[i]
    for j = 1, i - 1 do
      local b = moths[j]
      local dx, dy = a.x - b.x, a.y - b.y
      local square = dx * dx + dy * dy
      if square < APART * APART and square > 1e-6 then
        local far = math.sqrt(square)
        local push = 0.08 * (APART - far) / far
        a.x, a.y, b.x, b.y = a.x + dx * push, a.y + dy * push, b.x - dx * push, b.y - dy * push
      end
    end
  end
end

function World:move_moth(moth, dt)
  moth.angle = moth.angle - moth.turn * TURN * dt -- to the left is against the clock
  local wanted = SLOW + (FAST - SLOW) * (moth.flap + 1) / 2
  moth.speed = moth.speed + (wanted - moth.speed) * math.min(1, 5 * dt)
  local x = moth.x + math.cos(moth.angle) * moth.speed * dt
  local y = moth.y + math.sin(moth.angle) * moth.speed * dt
  moth.x = math.max(BORDER, math.min(World.WIDTH - BORDER, x))
  moth.y = math.max(BORDER, math.min(World.HEIGHT - BORDER, y))
  moth.phase = moth.phase + dt * (14 + 10 * moth.speed / FAST)
  local lit = distance(moth, self.lantern) < World.GLOW
  moth.lit = moth.lit + ((lit and 1 or 0) - moth.lit) * math.min(1, 4 * dt)
  if distance(moth, self.owl) < OWL_REACH then
    self.caught = self.caught + 1
    self:place(moth)
    moth.was_caught, moth.lit = true, 0
  end
  return lit
end

--- One step of `dt` seconds, with the lantern on its way to (x, y), or where it likes to go.
-- Returns the share of the moths that are in its glow.
function World:update(dt, x, y)
  self.frame, self.time = self.frame + 1, self.time + dt
  if not x then x, y = self:wander() end
  self:move_lantern(dt, x, y)
  self:move_owl(dt)
  self:separate()
  local lit = 0
  for _, moth in ipairs(self.moths) do
    if self:move_moth(moth, dt) then lit = lit + 1 end
  end
  return lit / #self.moths
end

return World
