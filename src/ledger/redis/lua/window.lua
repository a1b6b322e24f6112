-- The messaging limit: unique recipients of a portfolio in a rolling 24 hours, one slot each, kept
-- in sharded hashes by the recipient's hash. KEYS: named by the callers. ARGV: none. Reply: none.

local window = {}

window.SLOT_MINUTES = 1440
window.TIDY_SHARDS = 4 -- shards cleaned in one step at most

function window.is_young(last, minute)
  return last > 0 and minute - last <= window.SLOT_MINUTES
end

-- A slot is minute x 65536 + open sends; absent and stale ones are nil.
function window.slot_of(key, recipient)
  local packed = store.get(key, recipient)
  if not packed then return nil end
  packed = tonumber(packed)
  local open = packed % 65536
  local last = (packed - open) / 65536
  if open == 0 and not window.is_young(last, math.floor(store.now / 60000)) then return nil end
  return last, open
end

function window.put_slot(key, recipient, last, open)
  store.put(key, recipient, store.text(last * 65536 + open))
end

function window.clean_slots(portfolio, counts)
  local next_shard = store.number(counts, 'shard')
  local key = store.name(N.slots, portfolio, next_shard)
  for recipient in pairs(store.fields_of(key)) do
    if not window.slot_of(key, recipient) then store.put(key, recipient, false) end
  end
  store.put(counts, 'shard', store.text((next_shard + 1) % N.shards))
end

-- Gives up the slots whose 24 hours are over. `counts` holds: taken; expired = the minute up to
-- which this was done; first = no slot was last used in an earlier minute; shard = the next to
-- clean; <minute> = slots without an open send by the minute of their last accepted one.
function window.expire_slots(portfolio, counts)
  local upto = math.floor(store.now / 60000) - window.SLOT_MINUTES - 1
  local done = store.get(counts, 'expired')
  if not done then
    store.put(counts, 'expired', store.text(upto))
    return
  end
  done = tonumber(done)
  if upto <= done then return end
  local gone = 0
  local function expire(minute)
    local slots = store.get(counts, minute)
    if slots then
      gone = gone + tonumber(slots)
      store.put(counts, minute, false)
    end
  end
  if upto - done <= 100 then
    for minute = done + 1, upto do expire(store.text(minute)) end
  else
    for field in pairs(store.fields_of(counts)) do
      local minute = tonumber(field)
      if minute and minute <= upto then expire(field) end
    end
  end
  if gone > 0 then
    store.put(counts, 'taken', store.text(store.number(counts, 'taken') - gone))
  end
  store.put(counts, 'expired', store.text(upto))
  local shards = math.min(upto - done, window.TIDY_SHARDS)
  for _ = 1, shards do window.clean_slots(portfolio, counts) end
end

-- The oldest minute whose slots free next, or nil while all are held by open sends; and the minute
-- from which the next search begins.
function window.oldest_closed(counts)
  local latest = math.floor(store.now / 60000)
  local minute = math.max(store.number(counts, 'first'), latest - window.SLOT_MINUTES)
  while minute <= latest and not store.get(counts, store.text(minute)) do minute = minute + 1 end
  if minute > latest then return nil, latest end
  return minute, minute
end

-- nil if one more send to this recipient stays within the limit, else the rejection; its `first`
-- is the minute from which the next search for the oldest one begins. The caller has expired the
-- old slots.
function window.check_slot(counts, key, recipient, limit)
  local taken = store.number(counts, 'taken')
  if taken < limit or window.slot_of(key, recipient) then return nil end
  local oldest, first = window.oldest_closed(counts)
  local wait = ''
  if oldest then
    local frees = (oldest + window.SLOT_MINUTES + 1) * 60000
    wait = math.floor((math.max(frees - store.now, 0) + 999) / 1000)
  end
  return { REJECTION_MESSAGING_LIMIT_REACHED, limit, taken, wait, first = first }
end

function window.open_slot(counts, key, recipient)
  local last, open = window.slot_of(key, recipient)
  if not last then
    store.put(counts, 'taken', store.text(store.number(counts, 'taken') + 1))
    last, open = 0, 0
  elseif open == 0 then
    store.count(counts, store.text(last), -1)
  end
  window.put_slot(key, recipient, last, open + 1)
end

-- Ends one send: accepted ones keep the slot for 24 hours, others give it back if nothing else
-- holds it.
function window.close_slot(portfolio, recipient, accepted)
  local key = store.name(N.slots, portfolio, store.shard(recipient))
  local counts = store.name(N.counts, portfolio)
  local last, open = window.slot_of(key, recipient)
  if not last or open == 0 then return end
  local minute = math.floor(store.now / 60000)
  open = open - 1
  if accepted then last = math.max(last, minute) end
  if open > 0 then
    window.put_slot(key, recipient, last, open)
  elseif window.is_young(last, minute) then
    store.count(counts, store.text(last), 1)
    if last < store.number(counts, 'first') then store.put(counts, 'first', store.text(last)) end
    window.put_slot(key, recipient, last, 0)
  else
    store.put(key, recipient, false)
    store.put(counts, 'taken', store.text(store.number(counts, 'taken') - 1))
  end
end
