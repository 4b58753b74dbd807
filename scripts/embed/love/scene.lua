--- Draws the garden: the sky, the moon, the lantern and its glow, the owl and the moths.
local scene = {}

local graphics = love.graphics
local WIDTH, HEIGHT
local sky, hills, stars, glow

-- A strip of triangles between two rows of colours, from top to bottom.
local function gradient(width, height, colours)
  local vertices = {}
  for i, c in ipairs(colours) do
    local y = height * (i - 1) / (#colours - 1)
    vertices[#vertices + 1] = {0, y, 0, 0, c[1], c[2], c[3], 1}
    vertices[#vertices + 1] = {width, y, 0, 0, c[1], c[2], c[3], 1}
  end
  return graphics.newMesh(vertices, 'strip', 'static')
end

-- A disc of radius 1 that fades to nothing.
local function soft_disc()
  local vertices = {{0, 0, 0, 0, 1, 1, 1, 1}}
  for i = 0, 48 do
    local a = i / 48 * 2 * math.pi
    vertices[#vertices + 1] = {math.cos(a), math.sin(a), 0, 0, 1, 1, 1, 0}
  end
  return graphics.newMesh(vertices, 'fan', 'static')
end

-- A hill is a list of points from left to right.
local function ridge(base, height, waves, shift)
  local points = {}
  for x = 0, WIDTH, 10 do
    local t = x / WIDTH * waves + shift
    local up = 0.5 + 0.3 * math.sin(t * 2.1) + 0.2 * math.sin(t * 5.3 + 1)
    points[#points + 1] = {x, base - height * up}
  end
  return points
end

function scene.load(width, height, random)
  WIDTH, HEIGHT = width, height
  sky = gradient(width, height, {{0.035, 0.04, 0.12}, {0.06, 0.08, 0.21}, {0.13, 0.14, 0.32},
    {0.25, 0.2, 0.38}})
  glow = soft_disc()
  stars = {}
  for i = 1, 90 do
    local function some(most) return random:random() * most end
    stars[i] = {some(width), some(height * 0.75), 0.5 + some(1), some(6)}
  end
  hills = {{ridge(height - 20, 90, 5, 0.4), {0.10, 0.10, 0.22}},
    {ridge(height, 62, 9, 2.2), {0.055, 0.06, 0.14}}}
end

local function draw_hills()
  for _, hill in ipairs(hills) do
    graphics.setColor(hill[2])
    local points = hill[1]
    for i = 1, #points - 1 do
      local a, b = points[i], points[i + 1]
      graphics.polygon('fill', a[1], a[2], b[1], b[2], b[1], HEIGHT, a[1], HEIGHT)
    end
  end
end

local function draw_soft(x, y, radius, r, g, b, strength)
  graphics.setColor(r, g, b, strength)
  graphics.draw(glow, x, y, 0, radius, radius)
end

local function draw_moon(x, y, radius)
  draw_soft(x, y, radius * 3.2, 0.85, 0.88, 1, 0.16)
  graphics.setColor(0.93, 0.93, 0.86)
  graphics.circle('fill', x, y, radius, 64)
  graphics.setColor(0.84, 0.84, 0.78)
  local craters = {{-0.35, -0.25, 0.2}, {0.3, 0.1, 0.27}, {-0.15, 0.45, 0.14}, {0.2, -0.5, 0.1}}
  for _, c in ipairs(craters) do
    graphics.circle('fill', x + c[1] * radius, y + c[2] * radius, c[3] * radius, 32)
  end
end

local function draw_sky(time)
  graphics.setColor(1, 1, 1)
  graphics.draw(sky)
  for _, star in ipairs(stars) do
    graphics.setColor(0.9, 0.92, 1, 0.35 + 0.35 * math.sin(time * 1.5 + star[4]))
    graphics.circle('fill', star[1], star[2], star[3], 8)
  end
  draw_moon(WIDTH - 92, 84, 40)
end

local function flame(time)
  return 1 + 0.03 * math.sin(time * 11) + 0.02 * math.sin(time * 23)
end

local function draw_glow(lantern, radius, flicker)
  graphics.setBlendMode('add')
  draw_soft(lantern.x, lantern.y, radius * 2.1 * flicker, 1, 0.62, 0.2, 0.32)
  draw_soft(lantern.x, lantern.y, radius * flicker, 1, 0.75, 0.35, 0.45)
  graphics.setBlendMode('alpha')
  graphics.setColor(1, 0.8, 0.45, 0.28)
  graphics.setLineWidth(1)
  graphics.circle('line', lantern.x, lantern.y, radius, 64)
end

local function draw_lantern(lantern, flicker)
  graphics.push()
  graphics.translate(lantern.x, lantern.y)
  graphics.setColor(0.2, 0.13, 0.1)
  graphics.setLineWidth(2)
  graphics.arc('line', 'open', 0, -14, 7, math.pi, 2 * math.pi)
  graphics.polygon('fill', -9, -10, 9, -10, 6, -15, -6, -15)
  graphics.rectangle('fill', -9, 11, 18, 4, 1)
  graphics.setColor(1, 0.86, 0.5)
  graphics.rectangle('fill', -7, -10, 14, 21, 2)
  graphics.setColor(1, 0.97, 0.85)
  graphics.ellipse('fill', 0, 2, 3.2, 6.5 * flicker)
  graphics.setColor(0.2, 0.13, 0.1)
  graphics.line(-7, -10, -7, 11)
  graphics.line(7, -10, 7, 11)
  graphics.pop()
end

local function draw_owl(owl, time)
  local beat = math.sin(time * 7)
  graphics.push()
  graphics.translate(owl.x, owl.y)
  graphics.setColor(0.30, 0.25, 0.30)
  for side = -1, 1, 2 do
    graphics.polygon('fill', 0, -7, side * 17, -13 - 8 * beat, side * 36, -2 - 12 * beat,
      side * 25, 3 - 4 * beat, side * 13, 6, 0, 10)
  end
  graphics.setColor(0.42, 0.35, 0.37)
  graphics.ellipse('fill', 0, 2, 11, 15)
  graphics.circle('fill', 0, -11, 10)
  graphics.polygon('fill', -10, -13, -8, -23, -2, -18)
  graphics.polygon('fill', 10, -13, 8, -23, 2, -18)
  local look_x, look_y = math.cos(owl.angle) * 1.5, math.sin(owl.angle) * 1.5
  for side = -1, 1, 2 do
    graphics.setColor(1, 0.82, 0.25)
    graphics.circle('fill', side * 4.6, -12, 4)
    graphics.setColor(0.08, 0.05, 0.08)
    graphics.circle('fill', side * 4.6 + look_x, -12 + look_y, 2)
  end
  graphics.setColor(0.9, 0.6, 0.25)
  graphics.polygon('fill', -2, -8, 2, -8, 0, -3)
  graphics.pop()
end

local function wing(x, y, angle, length, width)
  graphics.push()
  graphics.translate(x, y)
  graphics.rotate(angle)
  graphics.ellipse('fill', length * 0.5, 0, length * 0.5, width * 0.5, 16)
  graphics.pop()
end

-- Wings are pale in the dark, and golden in the light.
local function draw_moth(moth)
  local lit = moth.lit
  local spread = 0.95 + 0.4 * math.sin(moth.phase)
  graphics.push()
  graphics.translate(moth.x, moth.y)
  graphics.rotate(moth.angle)
  graphics.scale(1.15)
  for side = -1, 1, 2 do
    graphics.setColor(0.45 + 0.48 * lit, 0.46 + 0.18 * lit, 0.62 - 0.32 * lit)
    wing(-1, side, side * (spread + 0.85), 8, 5.5)
    graphics.setColor(0.60 + 0.40 * lit, 0.62 + 0.22 * lit, 0.78 - 0.36 * lit)
    wing(1.5, side, side * spread * 1.15, 11, 6)
    graphics.setColor(0.30 + 0.35 * lit, 0.30 + 0.08 * lit, 0.45 - 0.3 * lit)
    local c, s = math.cos(spread * 1.15), math.sin(spread * 1.15)
    wing(1.5 + 6.2 * c, side * (1 + 6.2 * s), 0, 2.4, 2.4)
  end
  graphics.setColor(0.92, 0.86, 0.78)
  graphics.ellipse('fill', -0.5, 0, 5, 1.7, 16)
  graphics.setLineWidth(0.7)
  graphics.line(4, 0.5, 7, 2.6)
  graphics.line(4, -0.5, 7, -2.6)
  graphics.pop()
end

--- chosen: the moth whose thoughts the panel shows.
function scene.draw(world, chosen, time)
  graphics.setScissor(0, 0, WIDTH, HEIGHT)
  draw_sky(time)
  draw_hills()
  draw_glow(world.lantern, world.GLOW, flame(time))
  for _, moth in ipairs(world.moths) do draw_moth(moth) end
  draw_lantern(world.lantern, flame(time))
  graphics.setColor(0.75, 1, 1)
  graphics.setLineWidth(2)
  graphics.circle('line', chosen.x, chosen.y, 14)
  draw_owl(world.owl, time)
  graphics.setScissor()
end

return scene
