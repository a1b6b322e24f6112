-- The messaging limit and the frequency caps: what one recipient got, kept in sharded hashes by the
-- recipient's hash. KEYS: named by the callers. ARGV: none. Reply: none.

local window = {}

window.PLACE_MINUTES = 1440
window.MAX_MARKS = 255
window.MAX_CAP_WINDOW_S = 2592000
window.TIDY_SHARDS = 4 -- shards cleaned in one step at most
window.MARKS_TIDY_MS = 600000

function window.is_young(last, minute)
  return last > 0 and minute - last <= window.PLACE_MINUTES
end

-- A place is minute x 65536 + open sends; absent and stale ones are nil.
function window.place_of(key, recipient)
  local packed = store.get(key, recipient)
  if not packed then return nil end
  packed = tonumber(packed)
  local open = packed % 65536
  local last = (packed - open) / 65536
  if open == 0 and not window.is_young(last, math.floor(store.now / 60000)) then return nil end
  return last, open
end

function window.put_place(key, recipient, last, open)
  store.put(key, recipient, store.text(last * 65536 + open))
end

function window.clean_places(portfolio, counts)
  local next_shard = store.number(counts, 'shard')
  local key = store.name(N.places, portfolio, next_shard)
  for recipient in pairs(store.fields_of(key)) do
    if not window.place_of(key, recipient) then store.put(key, recipient, false) end
  end
  store.put(counts, 'shard', store.text((next_shard + 1) % N.shards))
end

-- Gives up the places whose 24 hours are over. `counts` holds: taken; expired = the minute up to
-- which this was done; first = no place was last used in an earlier minute; shard = where cleaning
-- goes on; <minute> = places without an open send by the minute of their last accepted one.
function window.expire_places(portfolio, counts)
  local upto = math.floor(store.now / 60000) - window.PLACE_MINUTES - 1
  local done = store.get(counts, 'expired')
  if not done then
    store.put(counts, 'expired', store.text(upto))
    return
  end
  done = tonumber(done)
  if upto <= done then return end
  local gone = 0
  local function expire(minute)
    local places = store.get(counts, minute)
    if places then
      gone = gone + tonumber(places)
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
  if gone > 0 then store.put(counts, 'taken', store.text(store.number(counts, 'taken') - gone)) end
  store.put(counts, 'expired', store.text(upto))
  for _ = 1, math.min(upto - done, window.TIDY_SHARDS) do window.clean_places(portfolio, counts) end
end

-- The oldest minute whose places free next, or nil while all are held by open sends.
function window.oldest_closed(counts)
  local latest = math.floor(store.now / 60000)
  local minute = math.max(store.number(counts, 'first'), latest - window.PLACE_MINUTES)
  while minute <= latest and not store.get(counts, store.text(minute)) do minute = minute + 1 end
  store.put(counts, 'first', store.text(math.min(minute, latest)))
  if minute > latest then return nil end
  return minute
end

-- Says the rejection and answers true where one more send to this recipient would go over the
-- limit.
function window.window_refusal(portfolio, counts, key, recipient, limit)
  window.expire_places(portfolio, counts)
  local taken = store.number(counts, 'taken')
  if taken < limit or window.place_of(key, recipient) then return nil end
  local oldest = window.oldest_closed(counts)
  local wait = ''
  if oldest then
    wait = math.floor((math.max((oldest + window.PLACE_MINUTES + 1) * 60000 - store.now, 0) + 999) / 1000)
  end
  return { 'messaging_limit_reached', limit, taken, wait }
end

function window.open_place(counts, key, recipient)
  local last, open = window.place_of(key, recipient)
  if not last then
    store.put(counts, 'taken', store.text(store.number(counts, 'taken') + 1))
    last, open = 0, 0
  elseif open == 0 then
    store.count(counts, store.text(last), -1)
  end
  window.put_place(key, recipient, last, open + 1)
end

-- Ends one send: accepted ones keep the place for 24 hours, others give it back where nothing else
-- holds it.
function window.close_place(portfolio, recipient, accepted)
  local key, counts = store.name(N.places, portfolio, store.shard(recipient)), store.name(N.counts, portfolio)
  local last, open = window.place_of(key, recipient)
  if not last or open == 0 then return end
  local minute = math.floor(store.now / 60000)
  open = open - 1
  if accepted then last = math.max(last, minute) end
  if open > 0 then
    window.put_place(key, recipient, last, open)
  elseif window.is_young(last, minute) then
    store.count(counts, store.text(last), 1)
    if last < store.number(counts, 'first') then store.put(counts, 'first', store.text(last)) end
    window.put_place(key, recipient, last, 0)
  else
    store.put(key, recipient, false)
    store.put(counts, 'taken', store.text(store.number(counts, 'taken') - 1))
  end
end

-- Cap rules travel as categories:max:window_s,...; a batch repeats the same text, so it is read
-- once.
window.rules_read = {}

function window.rules_of(packed)
  local rules = window.rules_read[packed]
  if rules then return rules end
  rules = {}
  for categories, max, window_s in string.gmatch(packed, '(%d+):(%d+):(%d+)') do
    rules[#rules + 1] = { categories = tonumber(categories), max = tonumber(max), window_s = tonumber(window_s) }
  end
  window.rules_read[packed] = rules
  return rules
end

function window.covers(rule, category)
  return math.floor(rule.categories / 2 ^ category) % 2 == 1
end

-- Marks are five bytes each, oldest first: the second, and the category.
function window.marks_of(key, recipient)
  local packed, marks = store.get(key, recipient) or '', {}
  for from = 1, #packed, 5 do
    local at, category = struct.unpack('>I4B', packed, from)
    marks[#marks + 1] = { at = at, category = category }
  end
  return marks
end

function window.put_marks(key, recipient, marks)
  local packed = {}
  for i, mark in ipairs(marks) do packed[i] = struct.pack('>I4B', mark.at, mark.category) end
  store.put(key, recipient, #packed > 0 and table.concat(packed))
end

-- The broken rule with the longest wait, as a rejection.
function window.cap_refusal(rules, key, recipient, category)
  local now_s = math.floor(store.now / 1000)
  local worst, longest
  local marks = window.marks_of(key, recipient)
  for _, rule in ipairs(rules) do
    if window.covers(rule, category) then
      local counted = {}
      for _, mark in ipairs(marks) do
        if window.covers(rule, mark.category) and mark.at > now_s - rule.window_s then
          counted[#counted + 1] = mark.at
        end
      end
      if #counted >= rule.max then
        local wait = (counted[#counted - rule.max + 1] or now_s) + rule.window_s - now_s
        if not worst or wait > longest then worst, longest = rule, wait end
      end
    end
  end
  return worst and { 'frequency_capped', worst.max, worst.window_s, longest }
end

-- One shard every ten minutes loses the recipients whose marks are past every allowed window.
function window.clean_marks()
  local turn = math.floor(store.now / window.MARKS_TIDY_MS)
  if store.number(store.ACCOUNT, 'marks_turn') == turn then return end
  store.put(store.ACCOUNT, 'marks_turn', store.text(turn))
  local key = store.name(N.marks, turn % N.shards)
  local begin = math.floor(store.now / 1000) - window.MAX_CAP_WINDOW_S
  for recipient in pairs(store.fields_of(key)) do
    local marks = window.marks_of(key, recipient)
    if #marks > 0 and marks[#marks].at <= begin then store.put(key, recipient, false) end
  end
end

-- Leaves a mark where some rule counts the category; answers its second, or nil.
function window.add_mark(rules, key, recipient, category)
  local covered, longest = false, 0
  for _, rule in ipairs(rules) do
    covered = covered or window.covers(rule, category)
    longest = math.max(longest, rule.window_s)
  end
  if not covered then return nil end
  window.clean_marks()
  local now_s, kept = math.floor(store.now / 1000), {}
  for _, mark in ipairs(window.marks_of(key, recipient)) do
    if mark.at > now_s - longest then kept[#kept + 1] = mark end
  end
  if #kept >= window.MAX_MARKS then table.remove(kept, 1) end
  kept[#kept + 1] = { at = now_s, category = category }
  window.put_marks(key, recipient, kept)
  return now_s
end

function window.remove_mark(recipient, category, at)
  local key = store.name(N.marks, store.shard(recipient))
  local marks = window.marks_of(key, recipient)
  for i, mark in ipairs(marks) do
    if mark.at == at and mark.category == category then
      table.remove(marks, i)
      window.put_marks(key, recipient, marks)
      return
    end
  end
end
