--- Base of the modules that remember: each forward is one step of a sequence.
--
-- step by step   rnn:forward(x1), rnn:forward(x2), ..., then rnn:backward(x2, dy2),
--                rnn:backward(x1, dy1): backpropagation through time; rnn:forget() begins anew.
-- by calls       y = rnn(x1), y = rnn(x2), ...: one graph, loss:backward() goes through all of it.
-- nn.Sequencer   runs a whole sequence at once.
--
-- A class defines advance(input, state) -> output, next state; the state is nil at the beginning.
local torch = require 'torch'
local run = require 'nn.run'
local values = require 'nn.values'
local memory = require 'nn.recurrent.memory'
local masking = require 'nn.recurrent.masking'
require 'nn.Container'
require 'nn.recurrent.methods'

local AbstractRecurrent, Container = torch.class('nn.AbstractRecurrent', 'nn.Container')

--- rho: how many steps backward can go back, at most.
function AbstractRecurrent:__init(rho)
  Container.__init(self)
  run.adopt(self) -- updateOutput, called by a program, is a step like forward
  rho = rho or 99999
  if type(rho) ~= 'number' or rho < 1 then
    error(('%s: rho, a number of steps from 1, expected, got %s'):format(torch.type(self),
      tostring(rho)), 3)
  end
  self.rho, self.sharedClones = rho, {}
  self:begin()
end

--- Takes the fields to the beginning of a sequence. outputs, cells, gradInputs: of each step, as
-- far as forward and backward have got.
function AbstractRecurrent:begin()
  self.step, self.updateGradInputStep, self.accGradParametersStep = 1, nil, nil
  self.outputs, self.cells, self.gradInputs = {}, {}, {}
end

--- One step: the output, and what the next one shall remember.
function AbstractRecurrent:advance(input, state) -- luacheck: ignore input state
  error(('%s has no method advance'):format(torch.type(self)), 0)
end

function AbstractRecurrent:updateOutput(input)
  if self.goingBack then
    error('what the steps computed was changed in place between forward and backward', 0)
  end
  local mine = memory.of(self)
  local step = self.step
  local output, state = self:advance(input, memory.enter(self, step, input))
  if self.maskZeroDims then
    local keep = masking.rows(input, self.maskZeroDims)
    output, state = masking.apply(output, keep), masking.apply(state, keep)
  end
  output = memory.leave(self, step, output, state)
  if run.pass() then
    self.outputs[step] = values.detached(output)
    self:noteState(step, mine.hidden[step])
  end
  self.step = step + 1
  return output
end

--- forward, step by step: nn/run.lua calls it.
function AbstractRecurrent:forwardStep(input)
  -- What is too long ago to go back to is freed: in use that is all but the last step.
  local depth = self.train == false and 1 or self.rho
  self:eachRecurrent(function(module)
    memory.of(module).stepping = true
    memory.drop(module, module.step - depth)
  end)
  local output, tape = run.step(self, input)
  memory.of(self).tapes[self.step - 1] = tape
  self.updateGradInputStep, self.accGradParametersStep = nil, nil
  return output
end

-- The step that goes backward next: the one before that of the last time.
local function step_back(self, counter)
  local step = (self[counter] or self.step) - 1
  local tape = memory.of(self).tapes[step]
  if not tape then
    local kept = self.step - 1 - step
    error(('%s: backward for each forward expected; %d steps can go back, this is one more')
      :format(torch.type(self), kept), 0)
  end
  self[counter] = step
  return step, tape
end

local function back(self, step, tape, dy, options)
  local input = run.take_tape(self, tape)
  self.goingBack = true
  local ok, result = pcall(run.backward, self, input, dy, options)
  self.goingBack = nil
  if not ok then error(result, 2) end
  if options.input then self.gradInputs[step] = result end
  return result
end

--- Backward of the last step that has not gone back yet. The input is that of this step's forward.
function AbstractRecurrent:backward(_, dy, scale)
  local step, tape = step_back(self, 'updateGradInputStep')
  self.accGradParametersStep = step
  return back(self, step, tape, dy, {input = true, parameters = true, scale = scale})
end

function AbstractRecurrent:updateGradInput(_, dy)
  local step, tape = step_back(self, 'updateGradInputStep')
  return back(self, step, tape, dy, {input = true})
end

function AbstractRecurrent:accGradParameters(_, dy, scale)
  local step, tape = step_back(self, 'accGradParametersStep')
  return back(self, step, tape, dy, {parameters = true, scale = scale})
end

run.takes_from_tape(AbstractRecurrent.backward, AbstractRecurrent.updateGradInput,
  AbstractRecurrent.accGradParameters)

-- ---------------------------------------------------------------------------------------------
-- What is remembered.

--- Calls fn for this module and all recurrent ones inside of it.
function AbstractRecurrent:eachRecurrent(fn)
  self:apply(function(module)
    if torch.isTypeOf(module, AbstractRecurrent) then fn(module) end
  end)
end

--- Begins a new sequence.
function AbstractRecurrent:forget()
  run.forget(self)
  memory.forget(self)
  self:begin()
  return Container.forget(self)
end

--- Begins a new sequence with the state at the end of the last one, which gradients do not reach.
function AbstractRecurrent:carryOn()
  self:eachRecurrent(function(module)
    memory.carry(module)
    module:begin()
  end)
  return self
end

-- 1 is the first step, 0 before it; by default the last one.
local function number_of(self, step)
  memory.of(self) -- a copy begins anew
  if step == nil then return self.step - 1 end
  if type(step) ~= 'number' or step < 0 or step >= self.step then
    error(('%s: a step from 0 to %d expected, got %s'):format(torch.type(self), self.step - 1,
      tostring(step)), 3)
  end
  return step
end

--- The state after a step (0: before the first), by default the last one; nil when there is none.
function AbstractRecurrent:getHiddenState(step)
  step = number_of(self, step)
  local mine = memory.of(self)
  if step < self.step - 1 then
    if mine.hidden[step] == nil and step > 0 then
      error(('%s: the state after step %d was not kept'):format(torch.type(self), step), 2)
    end
    return mine.hidden[step]
  end
  if mine.pass == run.pass() or mine.state == nil then return mine.state end
  return values.detached(mine.state)
end

--- Sets the state that the next step begins with; `step` is the number of the last step. 0: each
-- sequence from now on begins with it, until another one, or nil, is set.
function AbstractRecurrent:setHiddenState(step, state)
  step = number_of(self, step)
  if step ~= self.step - 1 then
    error(('%s: the state after step %d, the last one, may be set, not that after %d'):format(
      torch.type(self), self.step - 1, step), 2)
  end
  local pass = run.pass()
  -- The caller may go on writing to its own.
  if not pass and not values.is_tracked(state) then
    state, pass = values.map(values.clone, state), memory.ANEW
  end
  local mine = memory.set(self, state, pass)
  mine.hidden[step] = values.detached(mine.state)
  if step == 0 then mine.initial, mine.initial_pass = mine.state, mine.pass end
end

--- The gradient of the state after a step, as far as the steps behind it went backward.
function AbstractRecurrent:getGradHiddenState(step)
  step = number_of(self, step)
  local mine = memory.of(self)
  return mine.gradients[step] or mine.seen[step]
end

--- Sets a gradient of the state after a step, which comes from elsewhere: from a decoder, say.
function AbstractRecurrent:setGradHiddenState(step, gradient)
  memory.of(self).gradients[number_of(self, step)] = gradient
end

-- ---------------------------------------------------------------------------------------------
-- What programs read and write as fields, to join an encoder and a decoder: userPrevOutput, the
-- state before the first step; userGradPrevOutput, its gradient after backward; gradPrevOutput, a
-- gradient of the state after the last step. For an LSTM also userPrevCell, userGradPrevCell and
-- userNextGradCell; outputs and cells are the states after each step.

--- The state that is set by fields, or nil.
function AbstractRecurrent:userState()
  return self.userPrevOutput
end

--- The gradient of the last state that is set by fields, or nil.
function AbstractRecurrent:userGradient()
  return self.gradPrevOutput
end

--- Tells the gradient of the state before the first step.
function AbstractRecurrent:tellGradient(gradient)
  self.userGradPrevOutput = gradient
end

--- Told the state after a step.
function AbstractRecurrent:noteState()
end

-- ---------------------------------------------------------------------------------------------
-- Torch7's other methods.

--- Makes what a step gave the current output and gradInput.
function AbstractRecurrent:setOutputStep(step)
  if self.outputs[step] == nil then
    error(('%s: there is no output of step %s'):format(torch.type(self), tostring(step)), 2)
  end
  self.output = self.outputs[step]
  self.gradInput = self.gradInputs[step] or self.gradInput
end

--- Torch7 used the copies of old steps again here; the steps hold no copies.
function AbstractRecurrent:recycle()
  return self
end

--- The module that is run at a step: the same at each.
function AbstractRecurrent:getStepModule()
  return self.recurrentModule or self.modules[1]
end

function AbstractRecurrent:includingSharedClones(fn)
  return fn()
end

--- Where an example of the input is all zeros, as padding is, the output and the state are zeros.
-- dims: how many dimensions the input of one example has.
function AbstractRecurrent:maskZero(dims)
  self.maskZeroDims = dims or 1
  return self
end

--- The same as maskZero.
function AbstractRecurrent:trimZero(dims)
  return self:maskZero(dims)
end

local function switch(name, from)
  AbstractRecurrent[name] = function(self)
    -- A sequence in training does not go on in use.
    if self.train == from or from and self.train == nil then self:forget() end
    return Container[name](self)
  end
end
switch('training', false)
switch('evaluate', true)

function AbstractRecurrent:type(name, cache)
  if name ~= nil then self:forget() end
  return Container.type(self, name, cache)
end

function AbstractRecurrent:clearState()
  self:forget()
  return Container.clearState(self)
end

--- Modules that are fields, too, are replaced in both places.
function AbstractRecurrent:replace(fn)
  local before = {}
  for i, module in ipairs(self.modules) do before[i] = module end
  local out = Container.replace(self, fn)
  for name, value in pairs(self) do
    for i, module in ipairs(before) do
      if rawequal(value, module) then self[name] = self.modules[i] end
    end
  end
  return out
end

--- Files get no history.
function AbstractRecurrent:write(file)
  local kept = {outputs = self.outputs, cells = self.cells, gradInputs = self.gradInputs,
    step = self.step, updateGradInputStep = self.updateGradInputStep,
    accGradParametersStep = self.accGradParametersStep}
  self:begin()
  Container.write(self, file)
  for name, value in pairs(kept) do self[name] = value end
end

function AbstractRecurrent:clone(...)
  local copy = Container.clone(self, ...)
  copy:eachRecurrent(function(module) module:begin() end)
  return copy
end

function AbstractRecurrent:__tostring__()
  return torch.type(self)
end
