-- Hashes read through a cache, writes gathered and made at the end, in one go. KEYS: 1 account, 2
-- wallets, 3 writers, 4 index of open holds, 5 index of holds in doubt, 6 events, 7 journal, 8
-- allowances. ARGV: none. Reply: none. N (kinds of key names) comes before it, from keys.rs. No
-- write happens before `flush`, so a command that fails earlier leaves the account as it was.

-- Functions are in the table of their file: as locals, each would be an upvalue of every function
-- made after it, and creating those costs every batch.
local store = {}

store.MAX = 9007199254740991 -- 2^53 - 1: a double holds every integer up to here
store.HALF_DAY_MS = 43200000

store.PREFIX = string.sub(KEYS[1], 1, -1 - #N.account)
store.ACCOUNT, store.WALLETS, store.WRITERS = KEYS[1], KEYS[2], KEYS[3]
store.OPEN_INDEX, store.DOUBT_INDEX, store.EVENTS = KEYS[4], KEYS[5], KEYS[6]
store.JOURNAL, store.ALLOWANCES = KEYS[7], KEYS[8]

store.cached = {}  -- key -> field -> value, or false if there is none
store.written = {} -- key -> field -> value, or false to delete
store.added = {}   -- key -> field -> number to add
store.emptied = {} -- key -> true: delete what the store holds under the key
store.listed = {}  -- {key, member}: members of ordered sets
store.unlisted = {} -- {key, member}: members to remove
store.expiring = {} -- key -> seconds
store.now = 0      -- ledger time, Unix milliseconds

-- Whole numbers only; the sum with zero turns minus zero into zero.
function store.text(value)
  return string.format('%.0f', value + 0)
end

function store.clamp(value)
  if value > store.MAX then return store.MAX end
  if value < -store.MAX then return -store.MAX end
  return value
end

function store.inner(tables, key)
  local found = tables[key]
  if not found then
    found = {}
    tables[key] = found
  end
  return found
end

function store.get(key, field)
  local fields = store.inner(store.cached, key)
  local value = fields[field]
  if value == nil then
    value = not store.emptied[key] and redis.call('HGET', key, field)
    fields[field] = value
  end
  return value
end

-- `value` is a text, or false to delete the field.
function store.put(key, field, value)
  store.inner(store.cached, key)[field] = value
  store.inner(store.written, key)[field] = value
end

function store.number(key, field)
  return tonumber(store.get(key, field) or '0')
end

-- For counters that no decision reads.
function store.add(key, field, by)
  local fields = store.inner(store.added, key)
  fields[field] = (fields[field] or 0) + by
end

function store.empty(key)
  store.emptied[key] = true
  store.cached[key] = {}
  store.written[key] = nil
end

-- Every field of a hash, with what this run has changed.
function store.all(key)
  local found = {}
  if not store.emptied[key] then
    local pairs_of = redis.call('HGETALL', key)
    for i = 1, #pairs_of, 2 do found[pairs_of[i]] = pairs_of[i + 1] end
  end
  for field, value in pairs(store.written[key] or {}) do found[field] = value or nil end
  for field, by in pairs(store.added[key] or {}) do
    found[field] = store.text(tonumber(found[field] or '0') + by)
  end
  return found
end

function store.fields_of(key)
  local found = {}
  if not store.emptied[key] then
    for _, field in ipairs(redis.call('HKEYS', key)) do found[field] = true end
  end
  for field, value in pairs(store.written[key] or {}) do found[field] = value and true or nil end
  return found
end

-- Adds to a field that is gone at zero.
function store.count(key, field, by)
  local after = store.number(key, field) + by
  store.put(key, field, after > 0 and store.text(after))
end

function store.flush_hash(key, fields)
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

-- Makes every write of this run. Streams go first: they alone could refuse, if something else
-- wrote to them.
function store.flush(records)
  for key in pairs(store.added) do redis.call('HLEN', key) end
  for _, entry in ipairs(records) do redis.call('XADD', unpack(entry)) end
  for key in pairs(store.emptied) do redis.call('UNLINK', key) end
  for key, fields in pairs(store.written) do store.flush_hash(key, fields) end
  for key, fields in pairs(store.added) do
    for field, by in pairs(fields) do redis.call('HINCRBY', key, field, store.text(by)) end
  end
  for _, entry in ipairs(store.unlisted) do redis.call('ZREM', entry[1], entry[2]) end
  for _, entry in ipairs(store.listed) do redis.call('ZADD', entry[1], 0, entry[2]) end
  for key, seconds in pairs(store.expiring) do redis.call('EXPIRE', key, seconds) end
end

-- The first ten bits of a keyed hash.
function store.shard(hash)
  local first, second = string.byte(hash, 1, 2)
  return first * 4 + math.floor(second / 64)
end

-- Names made here, not declared: those of a hold's recorded content, which a client that did not
-- make the hold cannot know. They carry the account's tag like all others; keys.rs explains why
-- that is safe.
function store.name(kind, ...)
  return store.PREFIX .. kind .. table.concat({...}, ':')
end
