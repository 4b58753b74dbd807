-- How convolutions are described to cuDNN (cuda/lib/dnn.c): to a fake library that checks every
-- descriptor and does the work, and to the real one, where it is installed, which makes plans for a
-- GPU that is not there.
local program = require('spec.vm.program')

local function output_of(command)
  local text, status = program.shell(command)
  return status == 0 and text:match('[^\n]+') or nil
end

local compiler = os.getenv('CC') or 'cc'
local include = output_of('ls -d /usr/local/cuda/include/cudnn_graph.h /usr/include/cudnn_graph.h '
  .. '2>/dev/null | head -1')
include = include and include:match('^(.*)/')

-- The real library, of a version that can do without a GPU.
local real = include and output_of('ls -d /usr/local/cuda/lib/libcudnn.so.9 '
  .. '/usr/local/cuda/lib64/libcudnn.so.9 /usr/lib/x86_64-linux-gnu/libcudnn.so.9 2>/dev/null'
  .. ' | head -1')

if not include or not output_of('command -v ' .. compiler) then return end

local flags = '-std=c11 -pedantic -Wall -Wextra -Werror -D_DEFAULT_SOURCE -g -I. -Itensor -isystem '
  .. include

local function run(library, environment, argument)
  local folder = os.tmpname()
  os.remove(folder)
  local command = 'mkdir %s && '
    .. '%s %s -fPIC -shared spec/cuda/cudnn/%s.c -o %s/libcudnn.so.9 -ldl -pthread && '
    .. '%s %s spec/cuda/cudnn/test.c cuda/lib/dnn.c cuda/lib/library.c -o %s/test '
    .. '-ldl -lm -pthread && %s MOONLET_CUDA_LIBRARIES=%s %s/test %s'
  local text, status = program.shell(command:format(folder, compiler, flags, library, folder,
    compiler, flags, folder, environment, folder, folder, argument))
  program.shell('rm -r ' .. folder)
  return text, status
end

local function tests(text, status)
  for line in text:gmatch('[^\n]+') do
    local what = line:match('ok %d+ %- (.*)')
    if what then it(what, function() assert.is_truthy(line:match('^ok'), text) end) end
  end

  it('ends well', function() assert.equal(0, status, text) end)
end

describe('descriptors for cuDNN', function() tests(run('fake', '', '')) end)

if real then
  describe('plans of the real cuDNN for', function()
    -- under a sanitizer, not to be told what the library itself keeps until the end
    tests(run('plans', ('ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" CUDNN_LIBRARY=%s '
      .. 'CUDNN_DEVICE=spec/cuda/cudnn/h200.json'):format(real), 'plans'))
  end)
end
