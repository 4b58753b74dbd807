--- Schedules one after the other, such as a warm-up and what follows it.
local torch = require 'torch'
require 'optim.schedule'

local package = {}
local SequentialLR = torch.class('optim.SequentialLR', 'optim.Schedule', package)

--- schedules: a list, all of the same optimizer. milestones: the step at which each but the first
-- begins.
function SequentialLR:__init(schedules, milestones)
  if type(schedules) ~= 'table' or type(milestones) ~= 'table' or #milestones ~= #schedules - 1 then
    error('optim.SequentialLR: a list of schedules, and one of milestones, one less, expected', 3)
  end
  self.schedules, self.milestones, self.steps = schedules, milestones, 0
  self.target, self.key = schedules[1].target, schedules[1].key
  -- Schedules that begin at once have all changed the rate: back to where each of them began.
  local base = schedules[1].base
  for _, schedule in ipairs(schedules) do schedule.base = base end
  self.target[self.key] = base
  schedules[1]:apply()
end

function SequentialLR:step()
  self.steps = self.steps + 1
  local index = 1
  for i, milestone in ipairs(self.milestones) do
    if self.steps >= milestone then index = i + 1 end
  end
  local schedule = self.schedules[index]
  schedule.steps = self.steps - (self.milestones[index - 1] or 0)
  schedule:apply()
end

function SequentialLR:state_dict()
  local dicts = {}
  for i, schedule in ipairs(self.schedules) do dicts[i] = schedule:state_dict() end
  return {steps = self.steps, schedules = dicts}
end

function SequentialLR:load_state_dict(dict)
  if type(dict) ~= 'table' or type(dict.schedules) ~= 'table'
    or #dict.schedules ~= #self.schedules then
    error(('load_state_dict: the state of %d schedules expected'):format(#self.schedules), 2)
  end
  self.steps = dict.steps
  for i, schedule in ipairs(self.schedules) do schedule:load_state_dict(dict.schedules[i]) end
end

return package
