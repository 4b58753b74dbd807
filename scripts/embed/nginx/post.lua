-- For wrk: posts the lines of a file, one after the other, and counts answers that are not 200.
--
--   wrk -t1 -c16 -d10 -s scripts/embed/nginx/post.lua URL -- FILE
local requests, at = {}, 0
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  wrong = 0
  local headers = {['Content-Type'] = 'application/json'}
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format('POST', nil, headers, line)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function response(status)
  if status ~= 200 then wrong = wrong + 1 end
end

function done(summary)
  local errors, other = summary.errors, 0
  for _, thread in ipairs(threads) do other = other + thread:get('wrong') end
  io.write(('answers %d seconds %.3f failed %d\n'):format(summary.requests, summary.duration / 1e6,
    other + errors.connect + errors.read + errors.write + errors.timeout))
end
