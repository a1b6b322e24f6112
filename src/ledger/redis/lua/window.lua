-- The messaging limit: unique recipients of a portfolio in a rolling 24 hours, one slot each, kept
-- with the person. KEYS: named by the callers. ARGV: none. Reply: none. A portfolio's counts:
-- number in its account; taken; expired = the minute up to which slots were given up; first = no
-- slot was last used in an earlier minute; <minute> = slots without an open send by the minute of
-- their last accepted one; booked ones (bookings.lua) are among them as what became of them.

local window = {}

window.TIDY_MS = 5000
window.MAX_CAP_WINDOW_S = 2592000

function window.count(portfolio, minute, by)
  state.fold_portfolio(portfolio)
  store.count(portfolio.key, store.text(minute), by)
end

-- A shard loses the people of whom nothing counts any more; returns how many it had.
function window.clean_shard(shard)
  local key = store.PREFIX .. N.people .. shard
  local begin = floor(store.now / 1000) - window.MAX_CAP_WINDOW_S
  local found = call('HGETALL', key)
  for i = 1, #found, 2 do
    local recipient, packed = found[i], found[i + 1]
    if people.packed[recipient] == nil then
      people.packed[recipient] = packed
      local slots = people.with_slot(packed, 0, nil)
      local hits = people.hits_of(slots)
      if #hits > 0 and read('>I4', hits, #hits - 4) <= begin then hits = '' end
      local left = people.with_hits(slots, hits)
      if left ~= packed then people.put(recipient, left, key) end
    end
  end
  return #found / 2
end

-- One shard every few seconds: with the sends of a busy account; and some with the sweep, for where
-- there are few. Returns whether there is more than was looked through.
function window.clean(most)
  return store.walk('cleaned', window.TIDY_MS, N.people_shards, most, window.clean_shard)
end

-- Gives up the slots whose 24 hours are over.
function window.expire_slots(portfolio)
  local upto, key = floor(store.now / 60000) - people.SLOT_MINUTES - 1, portfolio.key
  local done = portfolio.expired
  if done and upto <= done then return end
  portfolio.expired = upto
  store.put(key, 'expired', store.text(upto))
  if not done then return end
  state.fold_portfolio(portfolio)
  local gone = 0
  local function expire(minute)
    local slots = store.get(key, minute)
    if slots then
      gone = gone + tonumber(slots)
      store.put(key, minute, false)
    end
  end
  if upto - done <= 100 then
    for minute = done + 1, upto do expire(store.text(minute)) end
  else
    for field in pairs(store.fields_of(key)) do
      local minute = tonumber(field)
      if minute and minute <= upto then expire(field) end
    end
  end
  if gone > 0 then portfolio.taken, portfolio.changed = portfolio.taken - gone, true end
end

-- The oldest minute whose slots free next, or nil while all are held by open sends; and the minute
-- from which the next search begins.
function window.oldest_closed(portfolio)
  state.fold_portfolio(portfolio)
  local latest = floor(store.now / 60000)
  local minute = math.max(store.number(portfolio.key, 'first'), latest - people.SLOT_MINUTES)
  while minute <= latest and not store.get(portfolio.key, store.text(minute)) do
    minute = minute + 1
  end
  if minute > latest then return nil, latest end
  return minute, minute
end

-- nil if one more send to this recipient stays within the limit, else the rejection; its `first`
-- is the minute from which the next search for the oldest one begins. The caller has expired the
-- old slots.
function window.check_slot(portfolio, packed, limit)
  local taken = portfolio.taken
  if taken < limit or people.slot_of(packed, portfolio.number) then return nil end
  local oldest, first = window.oldest_closed(portfolio)
  local wait = ''
  if oldest then
    local frees = (oldest + people.SLOT_MINUTES + 1) * 60000
    wait = floor((math.max(frees - store.now, 0) + 999) / 1000)
  end
  return { REJECTION_MESSAGING_LIMIT_REACHED, limit, taken, wait, first = first }
end

-- One more open send in a slot that is taken.
function window.open_slot(portfolio, recipient)
  local packed = people.of(recipient)
  local last, open = people.slot_of(packed, portfolio.number)
  if open == 0 then window.count(portfolio, last, -1) end
  people.put(recipient, people.with_slot(packed, portfolio.number, last, open + 1))
end

-- Ends one open send: accepted ones keep the slot for 24 hours, others give it back if nothing else
-- holds it.
function window.close_slot(portfolio, recipient, accepted)
  local packed, number = people.of(recipient), portfolio.number
  local last, open = people.slot_of(packed, number)
  if not last or open == 0 then return end
  local minute = floor(store.now / 60000)
  open = open - 1
  if accepted then last = math.max(last, minute) end
  if open > 0 then
    people.put(recipient, people.with_slot(packed, number, last, open))
  elseif people.is_young(last, minute) then
    window.count(portfolio, last, 1)
    if last < store.number(portfolio.key, 'first') then
      store.put(portfolio.key, 'first', store.text(last))
    end
    people.put(recipient, people.with_slot(packed, number, last, 0))
  else
    people.put(recipient, people.with_slot(packed, number, nil))
    portfolio.taken, portfolio.changed = portfolio.taken - 1, true
  end
end
