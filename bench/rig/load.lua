-- wrk's side of the bench: one request over and over, every status checked.
-- Arguments: METHOD STATUS [COOKIE]

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  wrong, first_wrong = 0, 0
  wrk.method = args[1]
  expected = tonumber(args[2])
  wrk.headers["Cookie"] = args[3]
  local bytes = wrk.format()
  request = function() return bytes end
end

function response(status)
  if status ~= expected then
    wrong = wrong + 1
    first_wrong = status
  end
end

function done(summary, latency)
  local wrong, status = 0, 0
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    status = math.max(status, thread:get("first_wrong"))
  end
  local socket = summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format(
    'FIGURES {"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, ' ..
    '"wrong": %d, "wrong_status": %d, "socket_errors": %d, "timeouts": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    wrong, status, socket, summary.errors.timeout))
end
