--- The panel at the right: how well the moths do, what one of them thinks, and what learning costs.
local panel = {}

local graphics = love.graphics
local X, WIDTH, HEIGHT, LEFT, RIGHT
local fonts = {}

local INK, DIM, LINE = {0.88, 0.88, 0.93}, {0.56, 0.57, 0.68}, {0.2, 0.21, 0.3}
local WARM, COLD, GOLD = {1, 0.63, 0.28}, {0.38, 0.66, 1}, {1, 0.8, 0.38}

function panel.load(x, width, height)
  X, WIDTH, HEIGHT = x, width, height
  LEFT, RIGHT = x + 18, x + width - 18
  for name, size in pairs {title = 19, text = 12, small = 11, number = 30} do
    fonts[name] = graphics.newFont(size)
  end
end

local function write(font, colour, text, x, y, align)
  graphics.setFont(fonts[font])
  graphics.setColor(colour)
  if align == 'right' then x = x - fonts[font]:getWidth(text) end
  graphics.print(text, math.floor(x + 0.5), math.floor(y + 0.5))
end

-- ---------------------------------------------------------------------------------------------
-- The learning curve: a point for each second, in percent.

-- What they did in the first seconds, when they knew nothing, as a dotted line.
local UNTRAINED = 5

local function draw_untrained(history, y, height)
  local sum = 0
  for i = 1, UNTRAINED do sum = sum + history[i] end
  local at = y + height * (1 - sum / UNTRAINED)
  graphics.setColor(COLD)
  for x = LEFT, RIGHT - 47, 7 do graphics.line(x, at, x + 3, at) end
  write('small', COLD, 'untrained', RIGHT - 44, at - 15, 'right')
end

local function draw_curve(history, y, height)
  graphics.setLineWidth(1)
  for _, percent in ipairs {0, 50, 100} do
    local at = y + height * (1 - percent / 100)
    graphics.setColor(LINE)
    graphics.line(LEFT, at, RIGHT - 40, at)
    write('small', DIM, percent .. ' %', RIGHT, at - 7, 'right')
  end
  local width, count = RIGHT - 44 - LEFT, #history
  if count < 2 then return end
  local span = math.max(30, count - 1)
  local points = {}
  for i, share in ipairs(history) do
    points[#points + 1] = LEFT + width * (i - 1) / span
    points[#points + 1] = y + height * (1 - share)
  end
  graphics.setColor(GOLD[1], GOLD[2], GOLD[3], 0.16)
  for i = 1, #points - 2, 2 do
    graphics.polygon('fill', points[i], points[i + 1], points[i + 2], points[i + 3],
      points[i + 2], y + height, points[i], y + height)
  end
  if count >= UNTRAINED then draw_untrained(history, y, height) end
  graphics.setColor(GOLD)
  graphics.setLineWidth(2)
  graphics.line(points)
  graphics.circle('fill', points[#points - 1], points[#points], 3.5)
  write('small', DIM, '0 s', LEFT, y + height + 4)
  write('small', DIM, span .. ' s', RIGHT - 44, y + height + 4, 'right')
end

-- ---------------------------------------------------------------------------------------------
-- The network. Lines are weights, as they are now; circles are what the chosen moth has in mind.

local function draw_weights(from, to, weights, stride, strongest)
  for j, b in ipairs(to) do
    for i, a in ipairs(from) do
      local weight = weights[(j - 1) * stride + i - 1]
      local strength = math.min(1, math.abs(weight) / strongest)
      local colour = weight > 0 and WARM or COLD
      graphics.setColor(colour[1], colour[2], colour[3], 0.06 + 0.8 * strength)
      graphics.setLineWidth(0.4 + 2.1 * strength)
      graphics.line(a[1], a[2], b[1], b[2])
    end
  end
end

local function draw_nodes(places, values, radius)
  for i, p in ipairs(places) do
    local value = math.max(-1, math.min(1, values[i]))
    local colour, strength = value > 0 and WARM or COLD, math.abs(value)
    graphics.setColor(0.1 + (colour[1] - 0.1) * strength, 0.11 + (colour[2] - 0.11) * strength,
      0.18 + (colour[3] - 0.18) * strength)
    graphics.circle('fill', p[1], p[2], radius, 24)
    graphics.setColor(DIM)
    graphics.setLineWidth(1)
    graphics.circle('line', p[1], p[2], radius, 24)
  end
end

local function column(count, x, y, height)
  local places = {}
  for i = 1, count do places[i] = {x, y + height * (i - 0.5) / count} end
  return places
end

local function draw_network(mind, y, height)
  local inputs = column(#mind.senses, LEFT + 84, y, height)
  local hidden = column(#mind.hidden, LEFT + 156, y - 6, height + 12)
  local outputs = column(#mind.wants, RIGHT - 34, y + height * 0.28, height * 0.44)
  draw_weights(inputs, hidden, mind.first, #inputs, 2)
  draw_weights(hidden, outputs, mind.second, #hidden, 1.2)
  draw_nodes(inputs, mind.senses, 6)
  draw_nodes(hidden, mind.hidden, 4.5)
  draw_nodes(outputs, mind.wants, 7)
  for i, p in ipairs(inputs) do
    write('small', INK, mind.sense_names[i], p[1] - 13, p[2] - 7, 'right')
  end
  for i, p in ipairs(outputs) do
    write('small', INK, mind.muscle_names[i], p[1] + 11, p[2] - 7)
  end
end

-- ---------------------------------------------------------------------------------------------

-- How much of a frame's budget learning took, as a bar with a mark at the budget.
local function draw_budget(state, y)
  local width = RIGHT - LEFT
  local full = 1 / 60
  graphics.setColor(LINE)
  graphics.rectangle('fill', LEFT, y, width, 8, 3)
  graphics.setColor(GOLD)
  graphics.rectangle('fill', LEFT, y, math.max(2, width * math.min(1, state.learning / full)), 8, 3)
  graphics.setColor(INK)
  graphics.rectangle('fill', LEFT + width * state.budget / full, y - 3, 2, 14)
  local text = 'learns %.1f ms a frame, at most %.0f'
  write('small', DIM, text:format(state.learning * 1e3, state.budget * 1e3), LEFT, y + 13)
  if state.fps then write('small', DIM, ('%d fps'):format(state.fps), RIGHT, y + 13, 'right') end
end

local function draw_keys(state, y)
  local keys = {
    {'mouse', 'carries the lantern'},
    {'space', state.learns and 'stops learning' or 'goes on learning'},
    {'R', 'new moths that know nothing'},
    {'F', state.fast and 'normal speed' or 'eight times as fast'},
    {'H', 'hides this'},
    {'esc', 'ends the game'},
  }
  for i, key in ipairs(keys) do
    write('small', GOLD, key[1], LEFT + 38, y + (i - 1) * 15, 'right')
    write('small', DIM, key[2], LEFT + 48, y + (i - 1) * 15)
  end
end

--- state: history, score (0 to 1), rounds, learning and budget (seconds), fps, learns, fast, help,
-- and mind: senses, hidden, wants, first, second, sense_names, muscle_names.
function panel.draw(state)
  graphics.setColor(0.055, 0.06, 0.1)
  graphics.rectangle('fill', X, 0, WIDTH, HEIGHT)
  graphics.setColor(LINE)
  graphics.setLineWidth(1)
  graphics.line(X + 0.5, 0, X + 0.5, HEIGHT)
  write('title', INK, 'Moonlit moths', LEFT, 12)
  write('number', GOLD, ('%d %%'):format(math.floor(state.score * 100 + 0.5)), LEFT, 38)
  write('text', INK, 'of them are in the light', LEFT + 84, 46)
  write('small', DIM, state.learns and ('round %d of learning'):format(state.rounds)
    or ('learning stopped in round %d'):format(state.rounds), LEFT + 84, 62)
  draw_curve(state.history, 88, 84)
  write('text', INK, 'What the circled moth thinks', LEFT, 198)
  draw_network(state.mind, 222, 160)
  draw_budget(state, 404)
  if state.help then
    draw_keys(state, 444)
  else
    write('small', DIM, 'H shows the keys', LEFT, 444)
  end
end

return panel
