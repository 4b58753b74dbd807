-- What both LuaJIT and Lua 5.4 have; code asks before it uses what only one of them has.
std = 'max'
max_line_length = 100
self = false
ignore = { '432/self' } -- methods written inside of methods
exclude_files = { 'build' }

-- Scripts and specs meet the packages as a user does: as globals, loaded when touched first.
local packages = { 'torch', 'nn', 'optim', 'data' }
files['scripts'] = { read_globals = packages }
files['scripts/embed/love'] = { globals = { 'love' } }
files['scripts/embed/neovim'] = { globals = { 'vim' } }
files['spec'] = { std = '+busted', read_globals = packages }
files['scripts/embed/nginx/moonlet_nginx.lua'] = { std = '+ngx_lua' }
files['scripts/embed/nginx/post.lua'] = { read_globals = { 'wrk' },
  globals = { 'setup', 'init', 'request', 'response', 'done', 'wrong' } }
files['spec/embed_neovim.lua'] = { globals = { 'vim' } }
files['spec/support/busted.lua'] = { globals = { 'arg' } }
files['spec/vm/embed_faults.lua'] = { read_globals = { 'faults', unpack(packages) } }
files['spec/golden'] = { max_line_length = false } -- what make.py wrote
