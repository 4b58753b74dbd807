--- Checkpoints of training scripts: all that is needed to go on as if there had been no break.
-- A file is written beside the old one and takes its place when it is whole, so that a program
-- which is killed leaves one of the two.
local torch = require 'torch'

local checkpoint = {}

--- Writes a table (model, optimizer, epoch, ...) and the state of the random numbers. format: a
-- text that only this script's files have.
function checkpoint.save(path, format, state)
  local copy = {format = format, random = torch.getRNGState()}
  for name, value in pairs(state) do copy[name] = value end
  torch.save(path, copy)
end

--- The table of such a file, with its tensors on a device; random numbers go on from where they
-- were.
function checkpoint.load(path, format, device)
  local state = torch.load(path, {device = device or 'cpu'})
  if type(state) ~= 'table' or state.format ~= format then
    error(('%s is not a checkpoint of this script'):format(path), 0)
  end
  torch.setRNGState(state.random)
  return state
end

--- The options with these names.
function checkpoint.pick(options, names)
  local picked = {}
  for _, name in ipairs(names) do picked[name] = options[name] end
  return picked
end

local function is_given(name, words)
  for _, word in ipairs(words) do
    if word == '-' .. name then return true end
  end
  return false
end

--- Options that the command line (`words`, such as `arg`) does not name take the saved values.
function checkpoint.merge(options, saved, words)
  for name, value in pairs(saved) do
    if not is_given(name, words) then options[name] = value end
  end
end

return checkpoint
