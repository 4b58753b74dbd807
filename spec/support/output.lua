-- How a run is shown: a line per spec file, each failure in full, and the counts at the end.
local counter = require('spec.support.assertions')
local result = require('spec.support.result')

local function describe(failure, kind)
  local trace = failure.element.trace or failure.trace or {}
  local text = failure.message
  if type(text) ~= 'string' then text = text == nil and 'nil error' or tostring(text) end
  io.write('\n', kind, ' ', trace.short_src or '?', ':', tostring(trace.currentline or '?'), '\n  ',
    failure.name, '\n  ', (text:gsub('\n', '\n  ')), '\n')
  if failure.trace and failure.trace.traceback and kind == 'error:' then
    io.write('  ', (failure.trace.traceback:gsub('\n', '\n  ')), '\n')
  end
end

return function()
  local busted = require('busted')
  local handler = require('busted.outputHandlers.base')()
  local in_file = 0

  local function file_start()
    in_file = 0
    return nil, true
  end
  local function test_end()
    in_file = in_file + 1
    return nil, true
  end
  local function file_end(file)
    io.write(('  %-44s %4d\n'):format(tostring(file.name), in_file))
    io.flush()
    return nil, true
  end

  local function suite_end()
    for _, failure in ipairs(handler.failures) do describe(failure, 'failure:') end
    for _, failure in ipairs(handler.errors) do describe(failure, 'error:') end
    result.passed = handler.successesCount
    result.failed = handler.failuresCount + handler.errorsCount
    result.pending = handler.pendingsCount
    result.finished = true
    io.write(('specs: %d passed, %d failed, %d skipped, %d assertions, %.1f s\n'):format(
      result.passed, result.failed, result.pending, counter.passed, handler.getDuration()))
    io.flush()
    return nil, true
  end

  busted.subscribe({ 'file', 'start' }, file_start)
  busted.subscribe({ 'test', 'end' }, test_end)
  busted.subscribe({ 'file', 'end' }, file_end)
  busted.subscribe({ 'suite', 'end' }, suite_end)
  return handler
end
