-- Results and gradients as PyTorch calculates them; spec/golden/make.py wrote the files.
local golden = require 'spec.support.golden'

local files = {}
for path in io.popen('ls spec/golden/*.lua'):lines() do
  -- Those of nn and optim have specs of their own.
  if not path:find('/nn_') and not path:find('/optim') then files[#files + 1] = path end
end
assert(#files >= 10, 'spec/golden/ is not where it should be')

for _, path in ipairs(files) do
  describe('PyTorch agrees in ' .. path:match('([^/]+)%.lua$') .. ':', function()
    for k, case in ipairs(dofile(path)) do
      it(('%s (%d)'):format(case[1], k), function() golden.check(case) end)
    end
  end)
end
