-- Hashes read through a cache, writes gathered and made at the end, in one go. KEYS: 1 account, 2
-- wallets, 3 writers, 4 index of blocks with open holds, 5 of those with holds in doubt, 6 events,
-- 7 journal, 8 allowances. ARGV: none. Reply: none. N (kinds of key names) comes before it, from
-- keys.rs. No write happens before `flush`, so a command that fails earlier leaves the account as
-- it was.

local store = {}

store.MAX = 9007199254740991 -- 2^53 - 1: a double holds every integer up to here
store.HALF_DAY_MS = 43200000
store.AT_ONCE = 400 -- values in one call at most

function store.begin(keys)
  store.PREFIX = sub(keys[1], 1, -1 - #N.account)
  store.ACCOUNT, store.WALLETS, store.WRITERS = keys[1], keys[2], keys[3]
  store.OPEN_INDEX, store.DOUBT_INDEX, store.EVENTS = keys[4], keys[5], keys[6]
  store.JOURNAL, store.ALLOWANCES = keys[7], keys[8]
  store.cached = {}  -- key -> field -> value, or false if there is none
  store.written = {} -- key -> field -> value, or false to delete
  store.added = nil  -- key -> field -> number to add
  store.emptied = {} -- key -> true: delete what the store holds under the key
  store.listed = {}  -- {key, member}: members of ordered sets
  store.unlisted = {} -- {key, member}: members to remove
  store.expiring = {} -- key -> seconds
  store.now = 0      -- ledger time, Unix milliseconds
end

-- Whole numbers only; the sum with zero turns minus zero into zero.
function store.text(value)
  return string.format('%.0f', value + 0)
end

-- `value` within store.MAX either way, which is written out because every send asks.
local function clamp(value)
  if value > 9007199254740991 then return 9007199254740991 end
  if value < -9007199254740991 then return -9007199254740991 end
  return value
end

function store.get(key, field)
  local fields = store.cached[key]
  if not fields then
    fields = {}
    store.cached[key] = fields
  end
  local value = fields[field]
  if value == nil then
    value = not store.emptied[key] and call('HGET', key, field)
    fields[field] = value
  end
  return value
end

-- `value` is a text, or false to delete the field.
function store.put(key, field, value)
  local fields = store.cached[key]
  if not fields then
    fields = {}
    store.cached[key] = fields
  end
  fields[field] = value
  local written = store.written[key]
  if not written then
    written = {}
    store.written[key] = written
  end
  written[field] = value
end

function store.number(key, field)
  return tonumber(store.get(key, field) or '0')
end

-- Adds to a field that is gone at zero.
function store.count(key, field, by)
  local after = store.number(key, field) + by
  store.put(key, field, after > 0 and store.text(after))
end

-- For counters that no decision reads.
function store.add(key, field, by)
  store.added = store.added or {}
  local fields = store.added[key]
  if not fields then
    fields = {}
    store.added[key] = fields
  end
  fields[field] = (fields[field] or 0) + by
end

-- Makes the counters part of what is written.
function store.fold_added()
  for key, fields in pairs(store.added) do
    for field, by in pairs(fields) do
      store.put(key, field, store.text(store.number(key, field) + by))
    end
  end
  store.added = nil
end

function store.empty(key)
  store.emptied[key] = true
  if store.added then store.added[key] = nil end
  store.cached[key] = {}
  store.written[key] = nil
end

function store.list(key, member)
  store.listed[#store.listed + 1] = { key, member }
end

function store.unlist(key, member)
  store.unlisted[#store.unlisted + 1] = { key, member }
end

-- Reads fields that are asked for next in one call.
function store.fetch(key, fields)
  local cached = store.cached[key]
  local found = call('HMGET', key, unpack(fields))
  for i, field in ipairs(fields) do
    if cached[field] == nil then cached[field] = found[i] end
  end
end

-- Every field of a hash, with what this run has changed.
function store.all(key)
  if store.added then store.fold_added() end
  local found = {}
  if not store.emptied[key] then
    local pairs_of = call('HGETALL', key)
    for i = 1, #pairs_of, 2 do found[pairs_of[i]] = pairs_of[i + 1] end
  end
  for field, value in pairs(store.written[key] or {}) do found[field] = value or nil end
  return found
end

function store.fields_of(key)
  local found = {}
  if not store.emptied[key] then
    for _, field in ipairs(call('HKEYS', key)) do found[field] = true end
  end
  for field, value in pairs(store.written[key] or {}) do found[field] = value and true or nil end
  return found
end

-- Goes on through shards, of which one is due every so many milliseconds: `most` of them, or fewer
-- if they have much in them; returns whether that is why some are left. `look` returns how much.
-- The field keeps how far it got; whole turns behind are left out.
function store.walk(field, every_ms, shards, most, look)
  local due, seen = floor(store.now / every_ms), 0
  local done = tonumber(store.get(store.ACCOUNT, field) or due - 1)
  if due - done > shards then done = due - shards + (done - due) % shards end
  local last = math.min(due, done + most)
  if done >= last then return false end
  while done < last and seen < store.AT_ONCE do
    done = done + 1
    seen = seen + look(done % shards)
  end
  store.put(store.ACCOUNT, field, store.text(done))
  return done < last
end

-- The first ten bits of a keyed hash.
function store.shard(hash)
  local first, second = byte(hash, 1, 2)
  return first * 4 + floor(second / 64)
end

-- The part of a name; parts.rs computes the same.
function store.part_of(text, parts)
  local hash, size = 2166136261, 4294967296
  for i = 1, #text do
    hash = bit.bxor(hash, byte(text, i)) % size
    -- Times 2^24 + 403, in parts that stay whole.
    hash = (hash * 403 + hash % 256 * 16777216) % size
  end
  return bit.bxor(hash, floor(hash / 65536)) % size % parts
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
  for from = 1, #set, store.AT_ONCE do
    call('HSET', key, unpack(set, from, math.min(from + store.AT_ONCE - 1, #set)))
  end
  for from = 1, #gone, store.AT_ONCE do
    call('HDEL', key, unpack(gone, from, math.min(from + store.AT_ONCE - 1, #gone)))
  end
end

-- Makes the gathered writes.
function store.flush()
  local emptied = {}
  for key in pairs(store.emptied) do emptied[#emptied + 1] = key end
  for from = 1, #emptied, store.AT_ONCE do
    call('UNLINK', unpack(emptied, from, math.min(from + store.AT_ONCE - 1, #emptied)))
  end
  for key, fields in pairs(store.written) do store.flush_hash(key, fields) end
  for _, entry in ipairs(store.unlisted) do call('ZREM', entry[1], entry[2]) end
  for _, entry in ipairs(store.listed) do call('ZADD', entry[1], 0, entry[2]) end
  for key, seconds in pairs(store.expiring) do call('EXPIRE', key, seconds) end
end

-- Names made here, not declared: those of a hold's recorded content, which a client that did not
-- make the hold cannot know. They carry the account's tag like all others; keys.rs explains why
-- that is safe.
function store.name(kind, ...)
  return store.PREFIX .. kind .. table.concat({...}, ':')
end
