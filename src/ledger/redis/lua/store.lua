-- What every other part stands on: hashes read through a cache, writes gathered and made at the end, in one go.
-- KEYS: none of its own. ARGV: none. Reply: none. Before this text stand RUN_ID and N (key names), written by keys.rs.
-- No write happens before `flush`, so a command that fails earlier leaves the account as it was.

local MAX = 9007199254740991 -- 2^53 - 1: a double holds every integer up to here
local HALF_DAY_MS = 43200000

local PREFIX = string.sub(KEYS[1], 1, -1 - #N.account)
local ACCOUNT, WALLETS, WRITERS, OPEN_INDEX, DOUBT_INDEX, EVENTS, JOURNAL, ALLOWANCES =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]

local cached = {}  -- key -> field -> value, or false where there is none
local written = {} -- key -> field -> value, or false to delete
local added = {}   -- key -> field -> number to add
local emptied = {} -- key -> true: delete what the store holds under the key
local listed = {}  -- {key, member}: members of ordered sets
local expiring = {} -- key -> seconds
local now = 0      -- ledger time, Unix milliseconds

-- Whole numbers only; the sum with zero turns minus zero into zero.
local function text(number)
  return string.format('%.0f', number + 0)
end

local function clamp(number)
  if number > MAX then return MAX end
  if number < -MAX then return -MAX end
  return number
end

local function inner(tables, key)
  local found = tables[key]
  if not found then
    found = {}
    tables[key] = found
  end
  return found
end

local function get(key, field)
  local fields = inner(cached, key)
  local value = fields[field]
  if value == nil then
    value = not emptied[key] and redis.call('HGET', key, field)
    fields[field] = value
  end
  return value
end

-- `value` is a text, or false to delete the field.
local function put(key, field, value)
  inner(cached, key)[field] = value
  inner(written, key)[field] = value
end

local function number(key, field)
  return tonumber(get(key, field) or '0')
end

-- For counters that no decision reads.
local function add(key, field, by)
  local fields = inner(added, key)
  fields[field] = (fields[field] or 0) + by
end

local function empty(key)
  emptied[key] = true
  cached[key] = {}
  written[key] = nil
end

-- Every field of a hash, with what this run has changed.
local function all(key)
  local found = {}
  if not emptied[key] then
    local pairs_of = redis.call('HGETALL', key)
    for i = 1, #pairs_of, 2 do found[pairs_of[i]] = pairs_of[i + 1] end
  end
  for field, value in pairs(written[key] or {}) do found[field] = value or nil end
  for field, by in pairs(added[key] or {}) do found[field] = text(tonumber(found[field] or '0') + by) end
  return found
end

local function fields_of(key)
  local found = {}
  if not emptied[key] then
    for _, field in ipairs(redis.call('HKEYS', key)) do found[field] = true end
  end
  for field, value in pairs(written[key] or {}) do found[field] = value and true or nil end
  return found
end

-- Adds to a field that is gone at zero.
local function count(key, field, by)
  local after = number(key, field) + by
  put(key, field, after > 0 and text(after))
end

local function flush_hash(key, fields)
  local set, gone = {}, {}
  for field, value in pairs(fields) do
    if value then
      set[#set + 1] = field
      set[#set + 1] = value
    else
      gone[#gone + 1] = field
    end
  end
  for from = 1, #set, 400 do
    redis.call('HSET', key, unpack(set, from, math.min(from + 399, #set)))
  end
  for from = 1, #gone, 400 do
    redis.call('HDEL', key, unpack(gone, from, math.min(from + 399, #gone)))
  end
end

-- Makes every write of this run. Streams go first: they alone could refuse, where somebody else wrote to them.
local function flush(streams)
  for key in pairs(added) do redis.call('HLEN', key) end
  for _, entry in ipairs(streams) do redis.call('XADD', unpack(entry)) end
  for key in pairs(emptied) do redis.call('UNLINK', key) end
  for key, fields in pairs(written) do flush_hash(key, fields) end
  for key, fields in pairs(added) do
    for field, by in pairs(fields) do redis.call('HINCRBY', key, field, text(by)) end
  end
  for _, entry in ipairs(listed) do redis.call('ZADD', entry[1], 0, entry[2]) end
  for key, seconds in pairs(expiring) do redis.call('EXPIRE', key, seconds) end
end

-- The first ten bits of a keyed hash.
local function shard(hash)
  local first, second = string.byte(hash, 1, 2)
  return first * 4 + math.floor(second / 64)
end

-- Names made here, not declared: those of a hold's recorded content, which a client that did not make the hold cannot
-- know. They carry the account's tag like all others; keys.rs says why that is safe.
local function name(kind, ...)
  return PREFIX .. kind .. table.concat({...}, ':')
end
