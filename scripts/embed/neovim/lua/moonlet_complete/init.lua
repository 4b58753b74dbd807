--- Completes words as a small network thinks fit, which has learned the open buffer. It learns in
-- the background, in slices that are too short to be noticed while one types.
--
-- moonlet.so is looked for in $MOONLET_BUILD, or in build/ of the tree that this file stands in.
local here = debug.getinfo(1, 'S').source:sub(2):match('^(.*)/lua/')
local folder = os.getenv('MOONLET_BUILD') or here .. '/../../../build'
local cpath = package.cpath
package.cpath = folder .. '/?.so;' .. cpath
local moonlet = require 'moonlet'
package.cpath = cpath
local Model = require 'moonlet_complete.model'(moonlet)

local api, loop = vim.api, vim.loop

local SECONDS = 5            -- of learning, if :MoonletLearn does not say otherwise
local SLICE, PAUSE = 6, 12   -- milliseconds of learning, and then for everything else
local SHOWN = 2000           -- milliseconds that the last status stays
local MOST = 10              -- words that are offered,
local WEIGHED = 60           -- of so many that the network has a look at
local WORD = '[%w_]'

local space = api.nvim_create_namespace('moonlet_complete')
local buffers = {} -- buffer -> {model, timer, loss, first_loss, longest, ...}
local plugin = {}

local function buffer_of(buffer)
  return (buffer == nil or buffer == 0) and api.nvim_get_current_buf() or buffer
end

local function text_of(buffer)
  return table.concat(api.nvim_buf_get_lines(buffer, 0, -1, false), '\n') .. '\n'
end

-- The status, at the right of the buffer's first line; nil takes it away.
local function show(buffer, text)
  if not api.nvim_buf_is_valid(buffer) then return end
  api.nvim_buf_del_extmark(buffer, space, 1)
  if not text then return end
  api.nvim_buf_set_extmark(buffer, space, 0, 0, {id = 1, virt_text = {{text, 'Comment'}},
    virt_text_pos = 'right_align'})
end

-- ---------------------------------------------------------------------------------------------
-- Learning.

local function finish(buffer, state)
  if state.timer then
    state.timer:stop()
    state.timer:close()
    state.timer = nil
  end
  show(buffer, ('Moonlet has learned: %.2f bits a letter'):format(state.loss))
  vim.defer_fn(function()
    if buffers[buffer] == state and not state.timer then show(buffer, nil) end
  end, SHOWN)
end

-- How much of the learning is over, from 0 to 1.
local function progress(state)
  if state.steps then return math.min(1, state.model.steps / state.steps) end
  return math.min(1, state.spent / state.seconds)
end

-- Learns for some milliseconds, and tells what they took.
local function slice(buffer, state)
  local began = loop.hrtime()
  local now = began
  repeat
    local loss = state.model:learn(progress(state))
    state.loss = state.loss + (loss - state.loss) * 0.02
    local after = loop.hrtime()
    local cost = state.step_cost or after - now
    state.step_cost = cost + (after - now - cost) * 0.1
    now = after
  until now - began + state.step_cost > SLICE * 1e6 or progress(state) == 1
  local took = (now - began) / 1e6
  state.spent = state.spent + took / 1e3
  state.slices, state.longest = state.slices + 1, math.max(state.longest, took)
  if took > 2 * SLICE then state.late = state.late + 1 end
  if state.slices % 10 == 0 then
    show(buffer, ('Moonlet learns: %d %%, %.2f bits a letter'):format(
      100 * progress(state), state.loss))
  end
end

local function tick(buffer, state)
  if not state.timer then return end -- it was stopped after this was scheduled
  if not api.nvim_buf_is_valid(buffer) then
    buffers[buffer] = nil
    return finish(buffer, state)
  end
  local ok, message = pcall(slice, buffer, state)
  if not ok then
    finish(buffer, state)
    return api.nvim_err_writeln('Moonlet: ' .. tostring(message))
  end
  if progress(state) == 1 then finish(buffer, state) end
end

--- Learns what is in the buffer now, for so many seconds of work. Returns at once.
-- exact: {steps =, seed =}, for tests: the same network each time, however quick the machine is.
function plugin.learn(buffer, seconds, exact)
  exact = exact or {}
  buffer = buffer_of(buffer)
  plugin.stop(buffer)
  local text = text_of(buffer)
  if not text:find(WORD) then return api.nvim_err_writeln('Moonlet: there is nothing to learn') end
  local model = Model.new(text, exact.seed)
  local loss = model:learn(0) -- loads what all other steps use
  local state = {model = model, seconds = seconds or SECONDS, steps = exact.steps, spent = 0,
    loss = loss, first_loss = loss, slices = 0, longest = 0, late = 0}
  buffers[buffer] = state
  state.timer = loop.new_timer()
  state.timer:start(0, SLICE + PAUSE, vim.schedule_wrap(function() tick(buffer, state) end))
  show(buffer, 'Moonlet learns')
end

--- Stops learning; what has been learned stays.
function plugin.stop(buffer)
  buffer = buffer_of(buffer)
  local state = buffers[buffer]
  if state and state.timer then finish(buffer, state) end
end

--- How learning goes, or nil: {learning, steps, loss and first_loss (bits a letter), slices, late
-- (slices, where the machine had other things to do), longest and mean (milliseconds)}.
function plugin.status(buffer)
  local state = buffers[buffer_of(buffer)]
  return state and {learning = state.timer ~= nil, steps = state.model.steps, loss = state.loss,
    first_loss = state.first_loss, slices = state.slices, late = state.late,
    longest = state.longest, mean = state.spent * 1e3 / math.max(1, state.slices)}
end

-- ---------------------------------------------------------------------------------------------
-- Completing.

-- The words of the buffer that begin with `prefix` and are longer: the most frequent ones.
local function words_with(text, prefix)
  local words, counts = {}, {}
  for word in text:gmatch(WORD .. '+') do
    if #word > #prefix and word:sub(1, #prefix) == prefix then
      if not counts[word] then words[#words + 1] = word end
      counts[word] = (counts[word] or 0) + 1
    end
  end
  table.sort(words, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  return vim.list_slice(words, 1, WEIGHED)
end

-- Where words are inserted, as row and column from 0: normal mode's cursor is on the letter before
local function place()
  local row, column = unpack(api.nvim_win_get_cursor(0))
  local typing = vim.fn.mode():sub(1, 1) == 'i'
  if not typing and #api.nvim_get_current_line() > 0 then column = column + 1 end
  return row - 1, column, typing
end

-- The text before that place, as far as the network looks, and the word that has been begun.
local function before_cursor()
  local row, column = place()
  local lines = api.nvim_buf_get_lines(0, math.max(0, row - 3), row + 1, false)
  lines[#lines] = lines[#lines]:sub(1, column)
  local text = table.concat(lines, '\n')
  local prefix = text:match(WORD .. '*$')
  return text:sub(1, #text - #prefix), prefix
end

--- The words that may stand at the cursor, the likeliest first; and what has been typed of it.
-- taken: the beginning of the word, where Neovim has taken it out of the buffer for a while.
function plugin.suggest(taken)
  local state = buffers[api.nvim_get_current_buf()]
  local before, prefix = before_cursor()
  prefix = taken or prefix
  local words = words_with(text_of(0), prefix)
  if #words == 0 then return {}, prefix end
  if not state then return words, prefix end
  -- A word ends with any letter that is none; the space stands for all of them. Longer words have
  -- more letters to be unlikely, and are not to suffer for it altogether.
  local scores, order = state.model:score(before, words, ' '), {}
  for i, word in ipairs(words) do
    order[i] = {word = word, score = scores[i] / math.sqrt(#word + 1 - #prefix)}
  end
  table.sort(order, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.word < b.word
  end)
  local best = {}
  for i = 1, math.min(MOST, #order) do best[i] = order[i].word end
  return best, prefix
end

--- For 'completefunc': set completefunc=v:lua.require'moonlet_complete'.completefunc
function plugin.completefunc(find_start, base)
  if find_start == 1 then
    local _, prefix = before_cursor()
    local _, column = place()
    return column - #prefix
  end
  return (plugin.suggest(base))
end

--- Offers the words in a menu while one types; otherwise writes the likeliest one.
function plugin.complete()
  local words, prefix = plugin.suggest()
  if #words == 0 then return end
  local row, column, typing = place()
  local first = column - #prefix
  if typing then return vim.fn.complete(first + 1, words) end
  api.nvim_buf_set_text(0, row, first, row, column, {words[1]})
  api.nvim_win_set_cursor(0, {row + 1, first + #words[1]})
end

return plugin
