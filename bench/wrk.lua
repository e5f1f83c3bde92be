-- Makes requests for wrk from the pool of templates written by traffic.py; see there for what a message holds.
--
-- Settings come by environment, because wrk hands arguments to init() only:
--   BENCH_POOL file    BENCH_KEY write key    BENCH_BATCH messages a request, 0 for single messages
--   BENCH_REPEAT percent of repeats    BENCH_PEOPLE how many    BENCH_LAG_S how far message times lie in the past
--   BENCH_SEED for this run: wrk's math.random starts at the same place every time
--   BENCH_FIRST_NAMES, BENCH_LAST_NAMES words
--
-- Marks are overwritten in place through FFI. wrk and this together take about 6 us CPU a message in batches.
local ffi = require("ffi")

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

-- What done() reads: made and not a repeat; an event is a track or a conversion.
messages_made, events_made, requests_made = 0, 0, 0

local MEMORY = 8192
local batch, repeat_share, people, lag_s, key, auth, host
local pool, pool_size = {}, 0
local hex = ffi.new("uint32_t[65536]")
local first_names, last_names, milliseconds = {}, {}, {}
local earlier_body, earlier_kind, earlier_size = {}, {}, 0
local stamp, made = "", 0
local random, floor = math.random, math.floor

local function base64(text)
  local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local word = a * 65536 + (b or 0) * 256 + (c or 0)
    for place = 3, 0, -1 do
      local six = floor(word / 64 ^ place) % 64
      out[#out + 1] = letters:sub(six + 1, six + 1)
    end
    if not b then out[#out - 1] = "=" end
    if not c then out[#out] = "=" end
  end
  return table.concat(out)
end

local function words(text)
  local list = {}
  for word in text:gmatch("%S+") do list[#list + 1] = word end
  return list
end

local function load_pool(path)
  for line in io.lines(path) do
    local kind, marks, body = line:match("^(%d)\t(%w+)\t(.*)$")
    local one = { kind = tonumber(kind), size = #body, bytes = ffi.new("uint8_t[?]", #body + 1), u = {}, t = {} }
    ffi.copy(one.bytes, body)
    for letter, offset in marks:gmatch("(%a)(%d+)") do
      if letter == "u" or letter == "t" then
        table.insert(one[letter], tonumber(offset))
      else
        one[letter] = tonumber(offset)
      end
    end
    for _, dash in ipairs({ 8, 13, 18, 23 }) do one.bytes[one.i + dash] = 45 end
    pool_size = pool_size + 1
    pool[pool_size] = one
  end
end

function init(args)
  batch = tonumber(os.getenv("BENCH_BATCH"))
  repeat_share = tonumber(os.getenv("BENCH_REPEAT")) / 100
  people = tonumber(os.getenv("BENCH_PEOPLE"))
  lag_s = tonumber(os.getenv("BENCH_LAG_S"))
  key = os.getenv("BENCH_KEY")
  math.randomseed(tonumber(os.getenv("BENCH_SEED")))
  first_names, last_names = words(os.getenv("BENCH_FIRST_NAMES")), words(os.getenv("BENCH_LAST_NAMES"))
  for value = 0, 65535 do
    ffi.copy(hex + value, string.format("%04x", value), 4)
  end
  for value = 0, 999 do
    milliseconds[value] = string.format("%03d", value)
  end
  load_pool(os.getenv("BENCH_POOL"))
  host = " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: Basic " .. base64(key .. ":")
    .. "\r\nContent-Type: application/json\r\nContent-Length: "
end

local function put_hex(at)
  ffi.cast("uint32_t*", at)[0] = hex[random(0, 65535)]
end

-- One message without its opening brace, and its kind (2 is identify).
local function message()
  if earlier_size > 0 and random() < repeat_share then
    local slot = random(1, earlier_size)
    return earlier_body[slot], earlier_kind[slot]
  end
  local one = pool[random(1, pool_size)]
  local bytes = one.bytes
  local id = bytes + one.i
  put_hex(id); put_hex(id + 4); put_hex(id + 9); put_hex(id + 14)
  put_hex(id + 19); put_hex(id + 24); put_hex(id + 28); put_hex(id + 32)
  if one.c then
    local order = bytes + one.c
    put_hex(order); put_hex(order + 4); put_hex(order + 8); put_hex(order + 12)
  end
  local person = random(0, people - 1)
  local digits = string.format("%08d", person)
  for place = 1, #one.u do ffi.copy(bytes + one.u[place], digits, 8) end
  if one.f then
    ffi.copy(bytes + one.f, first_names[person % #first_names + 1], 6)
    ffi.copy(bytes + one.l, last_names[floor(person / 7) % #last_names + 1], 8)
  end
  if made % 128 == 0 then stamp = os.date("!%Y-%m-%dT%H:%M:%S.", os.time() - lag_s) end
  local at = bytes + one.t[1]
  ffi.copy(at, stamp, 20)
  ffi.copy(at + 20, milliseconds[made % 1000], 3)
  at[23] = 90
  made = made + 1
  messages_made = messages_made + 1
  if one.kind ~= 2 then events_made = events_made + 1 end
  local body = ffi.string(bytes, one.size)
  local slot = made % MEMORY + 1
  if slot > earlier_size then
    earlier_size = earlier_size + 1
    slot = earlier_size
  end
  earlier_body[slot], earlier_kind[slot] = body, one.kind
  return body, one.kind
end

local function now()
  return os.date("!%Y-%m-%dT%H:%M:%S.000Z")
end

local sent_at = ""
local items = {}

function request()
  if requests_made % 64 == 0 then sent_at = now() end
  requests_made = requests_made + 1
  if batch == 0 then
    local item, kind = message()
    local body = '{"sentAt":"' .. sent_at .. '","writeKey":"' .. key .. '",' .. item
    local path = kind == 2 and "POST /v1/identify" or "POST /v1/track"
    return path .. host .. #body .. "\r\n\r\n" .. body
  end
  for place = 1, batch do items[place] = message() end
  local body = '{"batch":[{' .. table.concat(items, ",{") .. '],"sentAt":"' .. now() .. '","writeKey":"' .. key .. '"}'
  return "POST /v1/batch" .. host .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
  local messages, events, made_requests = 0, 0, 0
  for _, thread in ipairs(threads) do
    messages = messages + thread:get("messages_made")
    events = events + thread:get("events_made")
    made_requests = made_requests + thread:get("requests_made")
  end
  local errors = summary.errors
  io.write(string.format(
    '\nBENCH {"requests":%d,"seconds":%.6f,"status_errors":%d,"socket_errors":%d,"requests_made":%d,"messages_made":%d,"events_made":%d,'
      .. '"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, made_requests, messages, events,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
