-- GET /s/CODE of a random code of the file in CODES, each from one of many addresses (X-Forwarded-For), as a phone would.
local codes = {}
for line in io.lines(os.getenv("CODES")) do codes[#codes + 1] = line end
local agents = {
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
}
local seed = tonumber(os.getenv("SEED"))
function init(_) math.randomseed(seed) end
function setup(thread) thread:set("seed", seed) seed = seed + 1 end
function request()
  local ip = string.format("%d.%d.%d.%d", math.random(11, 99), math.random(0, 255), math.random(0, 255), math.random(1, 254))
  return wrk.format("GET", "/s/" .. codes[math.random(#codes)], {
    ["User-Agent"] = agents[math.random(#agents)], ["X-Forwarded-For"] = ip, ["Referer"] = "https://chat.example/",
  })
end
local counts = {}
function response(status, headers)
  if status ~= 302 or not headers["Location"] and not headers["location"] then counts.bad = (counts.bad or 0) + 1 end
end
function done(summary, latency, _)
  io.write(string.format("RESULT %d %.6f %d %.3f %.3f %.3f\n", summary.requests, summary.duration / 1e6,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
