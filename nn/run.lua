--- Runs modules. A module defines `updateOutput(input)` with pure operations; here stands what the
-- two protocols make of it, how modules that bring their own gradient join in, and how an error
-- gets the names of the modules that it passed through.
--
-- model(x)          what is recorded is the caller's: the result is tied to x and the parameters.
-- model:forward(x)  works on copies of x without history, on a tape of the module's own, which
--                   stays until the next forward; all results that one sees are plain tensors.
local torch = require 'torch'
local values = require 'nn.values'
local link = require('nn.parameters').link

local map, each, list_of, same = values.map, values.each, values.list_of, values.same
local is_tracked, detach, clone = values.is_tracked, values.detach, values.clone
local set_grad_enabled, is_grad_enabled = torch.set_grad_enabled, torch.is_grad_enabled
local record = torch.record

local run = {}

-- The modules that are running, outermost first. Those up to `base` wait in code that manages its
-- gradient itself: a module that is called there is on its own.
local path, depth, base = {}, 0, 0
-- Their inputs, while they run.
local given = {}
-- Is this a forward, in which every module notes its output and gradInput?
local watching = false
-- Which of all forwards it is. Recurrent modules begin a new history with each.
local pass, passes = 0, 0
-- The backward pass under way: the factor in the parameters' gradients, and whether they get any.
local factor, accumulating = 1, true

-- What a forward left behind, by module. Not a field of it: a file or a clone has no use for it.
local tapes = setmetatable({}, {__mode = 'k'})
-- How often a module with a gradient of its own has run.
local turns = setmetatable({}, {__mode = 'k'})

local RETAIN = {retain_graph = true}

-- ---------------------------------------------------------------------------------------------
-- Whose gradient is it?

-- The methods of nn.Module and nn.Criterion that take gradients from the tape.
local from_tape = {}

function run.takes_from_tape(...)
  for _, method in ipairs {...} do from_tape[method] = true end
end

--- Does the module (or its class) bring its own gradient, as Torch7's do?
local function is_classic(module)
  local accumulate = module.accGradParameters
  return not (from_tape[module.updateGradInput] and from_tape[module.backward]
    and (accumulate == nil or from_tape[accumulate]))
end
run.is_classic = is_classic

-- Old programs call `module:updateOutput(x)` and expect what forward does. So this method of a
-- class is put behind a gate, which lets only us through to the pure function.
local pure = setmetatable({}, {__mode = 'k'}) -- gate -> function
local gates = setmetatable({}, {__mode = 'k'}) -- and back
-- The pure function of a parent's that a module with a gradient of its own has called last.
local of_parent = setmetatable({}, {__mode = 'k'})
-- Was there such a call in a pure updateOutput?
local parent_called = false

-- parent.updateOutput(self, x) leaves its result in self.output, too. For a module that brings its
-- own gradient it is a forward, for what parent.updateGradInput(self, x, dy) will ask.
local function call_parent(method, self, input, target)
  if is_classic(self) then
    of_parent[self] = method
    return run.taped(self, input, target)
  end
  local output = method(self, input, target)
  self.output, parent_called = output, true
  return output
end

--- Does a module with a gradient of its own build on the output of its parent?
function run.calls_parent(module)
  return of_parent[module] ~= nil
end

local function gate(method)
  if gates[method] then return gates[method] end
  local gated
  function gated(self, input, target)
    if self.updateOutput ~= gated then return call_parent(method, self, input, target) end
    if path[depth] == self then return method(self, input, target) end
    return run.forward(self, input, target)
  end
  pure[gated], gates[method] = method, gated
  return gated
end

local prepared = setmetatable({}, {__mode = 'k'})

--- Puts updateOutput of a class and of its parents behind gates, the bases' and those that go with
-- a gradient of their own excepted.
function run.prepare(class)
  if prepared[class] then return end
  prepared[class] = true
  while class and class.__typename ~= 'nn.Module' and class.__typename ~= 'nn.Criterion' do
    local method = rawget(class, 'updateOutput')
    if method and not pure[method] and not is_classic(class) then
      rawset(class, 'updateOutput', gate(method))
    end
    class = getmetatable(class)
  end
end

--- The same for a module's class, which may have got another updateOutput since.
function run.adopt(module)
  local class = getmetatable(module)
  prepared[class] = nil
  run.prepare(class)
end

local function pure_output(module, input, target)
  local method = of_parent[module] or module.updateOutput
  local before = module.output
  local output = (pure[method] or method)(module, input, target)
  if parent_called then module.output, parent_called = before, false end
  return output
end

-- ---------------------------------------------------------------------------------------------
-- Errors.

-- ' {3}' for a child of a container, '.inner' for one that is a field.
local function place(parent, child)
  for i, module in ipairs(parent.modules or {}) do
    if rawequal(module, child) then return (' {%d} '):format(i) end
  end
  for key, value in pairs(parent) do
    if rawequal(value, child) then return ('.%s '):format(tostring(key)) end
  end
  return ' '
end

-- Where our own files are, as a pattern: that one of them raised an error helps nobody.
local home = debug and debug.getinfo and debug.getinfo(1, 'S').short_src:match('^(.*)run%.lua$')
local own_line = home and '^' .. home:gsub('%p', '%%%0') .. '[%w_/]*%.lua:%d+: '

-- Programs for Torch7 look for lines of this form; others are better off without them.
local function torch7_lines(first)
  if not require('torch.th').installed then return '' end
  local lines = {''}
  for i = first + 1, depth do
    local index = place(path[i - 1], path[i]):match('{(%d+)}')
    if index then
      lines[#lines + 1] = ('In %s module of %s:'):format(index, torch.type(path[i - 1]))
    end
  end
  return #lines > 1 and table.concat(lines, '\n') .. '\n' or ''
end

-- The message, without our own lines in front, after the names of the modules from `first` on.
local function explain(message, first)
  local names = {}
  for i = first, depth do
    if i > first then names[#names + 1] = place(path[i - 1], path[i]) end
    names[#names + 1] = torch.type(path[i])
  end
  local text = own_line and message:gsub(own_line, '') or message
  if text:find('^attempt to ') and type(given[depth]) ~= 'userdata' then
    text = 'a tensor expected, got ' .. torch.type(given[depth]) -- our own code fails with no other
  end
  local last = path[depth] and torch.type(path[depth]):match('[^.]*$'):lower()
  if last then text = text:gsub('^' .. last .. ': ', '') end
  return table.concat(names) .. ': ' .. text .. torch7_lines(first)
end

-- Calls fn(module, ...), and puts everything back in order when that fails. The error gets the
-- position of the caller's caller.
local function guard(fn, module, a, b, c)
  local was_depth, was_base, was_watching = depth, base, watching
  local was_factor, was_accumulating, was_grad = factor, accumulating, is_grad_enabled()
  base = depth
  local ok, result = pcall(fn, module, a, b, c)
  base = was_base
  if ok then return result end
  local message, level = result, 0
  if type(result) == 'string' and not result:find('interrupted$') and depth > was_depth then
    -- Where memory has run out there may be none for the text, and order comes first.
    local explained, text = pcall(explain, result, was_depth + 1)
    if explained then message, level = text, 2 end
  end
  for i = was_depth + 1, depth do path[i], given[i] = nil, nil end
  depth, watching, factor, accumulating = was_depth, was_watching, was_factor, was_accumulating
  set_grad_enabled(was_grad)
  error(message, level)
end

-- Who is told of each module that begins and ends, or nil.
local observer

local function enter(module, input)
  depth = depth + 1
  path[depth], given[depth] = module, input
  if observer then observer.enter(module, depth, depth > 1 and place(path[depth - 1], module)) end
end

local function leave()
  path[depth], given[depth] = nil, nil
  depth = depth - 1
end

--- Calls fn(...). Meanwhile watch.enter(module, depth, place in its parent) and watch.leave(module,
-- input, output) are called for each module that runs.
function run.observe(watch, fn, ...)
  local outer = observer
  observer = watch
  local ok, message = pcall(fn, ...)
  observer = outer
  if not ok then error(message, 0) end
end

--- Does anybody watch which modules run?
function run.observed()
  return observer ~= nil
end

-- ---------------------------------------------------------------------------------------------
-- Modules that bring their own gradient. They run as in Torch7: on plain tensors, unrecorded.

local classic_output

-- Their gradient as the tape wants it. They keep results between the two passes, so that one which
-- has run again since is first run anew.
local function classic_gradient(module, input, target)
  local turn = turns[module]
  return function(dy)
    local was_base = base
    base = depth
    if turns[module] ~= turn then classic_output(module, input, target) end
    local gradient
    if target ~= nil or module.accGradParameters == nil then
      gradient = module:updateGradInput(input, target) or module.gradInput
      if dy:nElement() == 1 then gradient = map(function(d) return d * dy:item() end, gradient) end
    elseif accumulating then
      gradient = module:backward(input, dy, factor)
    else
      gradient = module:updateGradInput(input, dy)
    end
    gradient = gradient or module.gradInput
    base = was_base
    -- A copy, as modules write to the same gradInput each time.
    return map(clone, gradient)
  end
end

function classic_output(module, input, target)
  turns[module] = (turns[module] or 0) + 1
  if pure[module.updateOutput] then return run.taped(module, input, target) end
  enter(module)
  local was_base, was_watching = base, watching
  base, watching = depth, false
  local output = module:updateOutput(input, target)
  base, watching = was_base, was_watching
  if observer then observer.leave(module, input, output) end
  leave()
  return output
end

-- Ties `output`, a value, to `inputs`, a list: gradient(gradients of the output) returns a list.
-- Each part of a table has a node of its own, which leaves its gradient for the first node.
local function tie(gradient, inputs, output)
  if type(output) == 'userdata' then
    return record(gradient, inputs, {output})
  end
  local start, parts = torch.zeros(1), {}
  record(function() return gradient(map(function(tensor)
    return parts[tensor] or torch.zeros_like(tensor)
  end, output)) end, inputs, {start})
  each(function(tensor)
    record(function(d)
      parts[tensor] = d
      return torch.zeros(1)
    end, {start}, {tensor})
  end, output)
end

local unpack = table.unpack or unpack

-- A call of such a module among recorded ones.
local function call_classic(module, input, target)
  local plain = values.detached(input)
  local was_grad = set_grad_enabled(false)
  local output = classic_output(module, plain, target)
  set_grad_enabled(was_grad)
  if not was_grad then return output end
  if type(output) == 'number' then output = torch.tensor(output) end
  local inputs = list_of(input)
  local count = #inputs
  if module.parameters then
    for _, parameter in ipairs((module:parameters()) or {}) do inputs[#inputs + 1] = parameter end
  end
  if not is_tracked(inputs) then return output end
  -- In a forward the output is used up before the module runs again.
  local tied = map(watching and detach or clone, output)
  local gradient = classic_gradient(module, plain, target)
  tie(function(dy) return unpack(list_of(gradient(dy)), 1, count) end, inputs, tied)
  return tied
end

-- ---------------------------------------------------------------------------------------------
-- The two protocols.

-- A function for the tape that notes the gradient of a module's input. It must not keep the
-- module alive: the tape, which may be the module's own, keeps the function.
local watchers = setmetatable({}, {__mode = 'k'})

local function new_watcher(module)
  local box = setmetatable({module}, {__mode = 'v'})
  local function note(d)
    if box[1] then box[1].gradInput = d end
    return d
  end
  watchers[module] = note
  return note
end

-- alias -> what it is an alias of
local origins = setmetatable({}, {__mode = 'kv'})

local function watched_input(module, input)
  -- Torch7: a module whose gradInput was set to nil needs none.
  if module.gradInput == nil then return values.detached(input) end
  if type(input) == 'userdata' then
    if not input.requires_grad then return input end
    local seen = input:detach()
    record(watchers[module] or new_watcher(module), {input}, {seen})
    origins[seen] = input
    return seen
  end
  if type(input) ~= 'table' or not is_tracked(input) then return input end
  local box, notes = setmetatable({module}, {__mode = 'v'}), {}
  local seen = {}
  for key, part in pairs(input) do
    seen[key] = map(function(tensor)
      if not tensor.requires_grad then return tensor end
      local alias = tensor:detach()
      record(function(d)
        notes[key] = d
        if box[1] then box[1].gradInput = notes end
        return d
      end, {tensor}, {alias})
      origins[alias] = tensor
      return alias
    end, part)
  end
  return seen
end

local function pass_on(dy) return dy end

--- What a module's input shows the memory of: in a forward it is an alias of what those around
-- it have.
function run.original(input)
  while origins[input] do input = origins[input] end
  return input
end

-- The output of a module that may have written it over its input: who has the input gets the
-- output's history.
local function output_inplace(module, seen, target, input)
  local output = pure_output(module, seen, target)
  local first = type(input) == 'table' and input[1] or input
  if type(output) ~= 'userdata' or not output.requires_grad then return output end
  while type(first) == 'userdata' and not rawequal(first, output) and output:isSetTo(first) do
    if not first.is_leaf then record(pass_on, {output}, {first}) end
    first = origins[first]
  end
  return output
end

-- A module inside of another one, or in today's protocol.
local function call(module, input, target)
  local output
  if is_classic(module) then return call_classic(module, input, target) end
  enter(module, input)
  if watching then
    -- Old programs put tensors in the places of parameters.
    if module.accGradParameters then link(module) end
    local seen = watched_input(module, input)
    output = (module.inplace and output_inplace or pure_output)(module, seen, target, input)
    module.output = module:plain(output)
  else
    output = (module.inplace and output_inplace or pure_output)(module, input, target, input)
  end
  if observer then observer.leave(module, input, output) end
  leave()
  return output
end

--- module(input): the result is tied to whatever the input and the parameters are tied to.
function run.call(module, input, target)
  if depth > base then return call(module, input, target) end
  return guard(call, module, input, target)
end

-- A tensor that can get another history, where a leaf cannot.
local function behind(leaf)
  if not leaf.requires_grad then return leaf end
  local seen = leaf:detach()
  record(pass_on, {leaf}, {seen})
  return seen
end

--- true once there may be modules that write over their input: nn.inplace sets it.
run.writes = false

--- Runs a pure module on a tape of its own; returns the plain output.
function run.taped(module, input, target)
  local leaf = map(module.gradInput == nil and detach or values.to_leaf, input)
  local was_watching, was_pass, was_grad = watching, pass, set_grad_enabled(true)
  enter(module, input)
  passes = passes + 1
  watching, pass = true, passes
  if module.accGradParameters then link(module) end
  local shown = run.writes and module.modules and map(behind, leaf) or leaf
  local result = pure_output(module, shown, target)
  watching, pass = was_watching, was_pass
  if observer then observer.leave(module, input, result) end
  leave()
  set_grad_enabled(was_grad)
  tapes[module] = {input = input, target = target, leaf = leaf, result = result}
  module.output = module:plain(result)
  return module.output
end

local function forward(module, input, target)
  if module.forwardStep then return module:forwardStep(input) end
  if not is_classic(module) then return run.taped(module, input, target) end
  local was_grad = set_grad_enabled(false)
  local output = classic_output(module, input, target)
  set_grad_enabled(was_grad)
  return output
end

--- The number of the forward under way, in which modules note what they see; nil in a call.
function run.pass()
  return watching and pass or nil
end

--- module:forward(input), Torch7's. Inside of a pure updateOutput it is the same as a call. What
-- has a tape for each of several forwards has a method forwardStep.
function run.forward(module, input, target)
  if depth > base then return call(module, input, target) end
  return guard(forward, module, input, target)
end

--- A forward of a module that keeps a tape for each of its steps: the output, and the tape, which
-- run.take_tape gives back before backward.
function run.step(module, input)
  local output = run.taped(module, input)
  return output, tapes[module]
end

--- From now on backward is the one of this forward. Returns the input that it had.
function run.take_tape(module, tape)
  tapes[module] = tape
  return tape.input
end

--- Frees the tape.
function run.forget(module)
  tapes[module], turns[module] = nil, nil
end

-- ---------------------------------------------------------------------------------------------
-- Backward, in Torch7's protocol.

-- The tape of this input; one is made where forward was not called with it.
local function tape_of(module, input, target)
  local tape = tapes[module]
  if tape and same(tape.input, input) and same(tape.target, target) then return tape end
  run.taped(module, input, target)
  return tapes[module]
end

-- One tensor to go backward from, and its gradient: several results become one through a node.
-- Nothing when no result depends on anything.
local function root_of(result, dy)
  local roots, seeds = {}, {}
  each(function(tensor, seed)
    if not tensor.requires_grad then return end
    if type(seed) ~= 'userdata' then
      if seed == nil and tensor:nElement() ~= 1 then return end
      seed = torch.ones_like(tensor):mul(seed or 1)
    end
    roots[#roots + 1] = tensor
    seeds[#seeds + 1] = seed
  end, result, dy)
  if #roots < 2 then return roots[1], seeds[1] end
  local root = torch.zeros(1)
  local was_grad = set_grad_enabled(true)
  record(function() return unpack(seeds) end, roots, {root})
  set_grad_enabled(was_grad)
  return root, torch.ones(1)
end

local function input_gradient(leaf)
  return leaf.grad or torch.zeros_like(leaf)
end

local function check_gradient(result, dy)
  if type(result) == 'userdata' and result:nElement() ~= 1 and type(dy) ~= 'userdata' then
    error(('backward: the gradient of the output, a tensor, expected, got %s'):format(type(dy)), 0)
  end
end

-- Adds the parameters in the tape, each once, to the list `wanted`; into[i] is the gradient of
-- wanted[i].
local function want_parameters(module, wanted, into)
  local seen = {}
  local tensors, gradients = module:parameters()
  for i, tensor in ipairs(tensors or {}) do
    local address = torch.pointer(tensor)
    if tensor.requires_grad and not seen[address] then
      wanted[#wanted + 1], seen[address] = tensor, true
      into[#wanted] = gradients[i]
    end
  end
end

-- Fills leaf.grad for the input, and adds to the gradients of the parameters.
local function differentiate(module, tape, dy, options)
  local root, seed = root_of(tape.result, dy)
  factor = accumulating and options.scale or 1
  if not root then return end
  if accumulating and options.input and factor == 1 then return root:backward(seed, RETAIN) end
  local wanted, into = {}, {}
  if options.input then
    each(function(leaf)
      if leaf.requires_grad then wanted[#wanted + 1] = leaf end
    end, tape.leaf)
  end
  if accumulating then want_parameters(module, wanted, into) end
  if #wanted == 0 then return end
  local gradients = torch.grad({root}, wanted, {seed}, RETAIN)
  for i = 1, #wanted do
    if not into[i] then
      wanted[i].grad = gradients[i]
    elseif gradients[i] then
      into[i]:add(factor, gradients[i])
    end
  end
end

-- The tape of values that were changed since, as by a step of an optimizer, is made anew, unless
-- parameters may have got part of their gradients already.
local function differentiate_anew(module, input, dy, options)
  local tape = tapes[module]
  if accumulating and options.input then
    differentiate(module, tape, dy, options)
    return tape
  end
  local at = depth
  local ok, message = pcall(torch.no_grad, differentiate, module, tape, dy, options)
  if ok then return tape end
  if type(message) ~= 'string' or not message:find('changed in place afterwards', 1, true) then
    error(message, 0)
  end
  depth = at
  leave()
  run.taped(module, input, options.target)
  enter(module)
  tape = tapes[module]
  differentiate(module, tape, dy, options)
  return tape
end

-- Where parameters are shared, a step of another module may come between the halves of backward.
-- The first one then makes what the second adds, from the values of the forward.
local function keep_for_second_half(module, tape, dy)
  tape.kept = nil
  if not module.shared or module.accGradParameters == nil or module:children()[1] then return end
  local root, seed = root_of(tape.result, dy)
  local wanted, into = {}, {}
  want_parameters(module, wanted, into)
  if not root or #wanted == 0 then return end
  tape.kept = {dy = map(clone, dy), wanted = wanted,
    gradients = torch.grad({root}, wanted, {seed}, RETAIN)}
end

local function is_equal(a, b)
  if type(a) ~= 'userdata' or type(b) ~= 'userdata' then return false end
  return a:isSameSizeAs(b) and a:equal(b)
end

-- Adds what was kept; false where there is nothing for this gradient of the output.
local function second_half(module, tape, dy, scale)
  local kept = tape.kept
  if not kept or not is_equal(kept.dy, dy) then return false end
  local wanted, into = {}, {}
  want_parameters(module, wanted, into)
  for i, tensor in ipairs(wanted) do
    if not rawequal(tensor, kept.wanted[i]) then return false end
  end
  for i in ipairs(wanted) do
    if kept.gradients[i] then into[i]:add(scale or 1, kept.gradients[i]) end
  end
  return true
end

local function backward(module, input, dy, options)
  local tape = tape_of(module, input, options.target)
  if options.parameters and not options.input and second_half(module, tape, dy, options.scale) then
    return module.gradInput
  end
  enter(module)
  if options.parameters then link(module) end
  check_gradient(tape.result, dy)
  local was_factor, was_accumulating = factor, accumulating
  accumulating = options.parameters and options.scale ~= 0
  local leaves = list_of(tape.leaf)
  for _, leaf in ipairs(leaves) do leaf.grad = nil end
  tape = differentiate_anew(module, input, dy, options)
  if not options.parameters then keep_for_second_half(module, tape, dy) end
  if options.input and module.gradInput ~= nil then
    module.gradInput = map(input_gradient, tape.leaf)
  end
  each(function(leaf) leaf.grad = nil end, tape.leaf)
  factor, accumulating = was_factor, was_accumulating
  leave()
  return module.gradInput
end

--- options: input and parameters, true for those that shall get their gradient; scale; target.
function run.backward(module, input, dy, options)
  return guard(backward, module, input, dy, options)
end

local function classic_backward(module, input, dy, scale)
  enter(module)
  local was_base, was_grad = base, set_grad_enabled(false)
  base = depth
  local gradient = module:updateGradInput(input, dy)
  module:accGradParameters(input, dy, scale)
  base = was_base
  set_grad_enabled(was_grad)
  leave()
  return gradient or module.gradInput
end

--- backward of a module that brings its own gradient, in its two parts.
function run.classic_backward(module, input, dy, scale)
  return guard(classic_backward, module, input, dy, scale)
end

return run
