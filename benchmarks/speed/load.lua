-- What wrk asks for, and how it says what came of it.
-- Arguments: "one", "many" or "new" URLs; the path; how many URLs, or the first number of a new one.

local kind, path, number

function init(args)
  kind, path, number = args[1], args[2], tonumber(args[3])
  if kind == "one" then
    request = nil -- wrk sends the same bytes again and again, and calls no function for it
  elseif kind == "many" then
    local requests = {}
    for i = 0, number - 1 do
      requests[i] = wrk.format("GET", "/items/" .. i)
    end
    local next = -1
    request = function()
      next = (next + 1) % number
      return requests[next]
    end
  else
    request = function()
      number = number + 1
      return wrk.format("GET", path .. "?page=" .. number)
    end
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "errors": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
