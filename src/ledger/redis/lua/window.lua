-- The messaging limit and the frequency caps: what one recipient got, kept in sharded hashes by the recipient's hash.
-- KEYS: named by the callers. ARGV: none. Reply: none.

local PLACE_MINUTES = 1440
local MAX_MARKS = 255
local MAX_CAP_WINDOW_S = 2592000
local TIDY_SHARDS = 4 -- shards cleaned in one step at most
local MARKS_TIDY_MS = 600000

local function is_young(last, minute)
  return last > 0 and minute - last <= PLACE_MINUTES
end

-- A place is minute x 65536 + open sends; absent and stale ones are nil.
local function place_of(key, recipient)
  local packed = get(key, recipient)
  if not packed then return nil end
  packed = tonumber(packed)
  local open = packed % 65536
  local last = (packed - open) / 65536
  if open == 0 and not is_young(last, math.floor(now / 60000)) then return nil end
  return last, open
end

local function put_place(key, recipient, last, open)
  put(key, recipient, text(last * 65536 + open))
end

local function clean_places(portfolio, counts)
  local next_shard = number(counts, 'shard')
  local key = name(N.places, portfolio, next_shard)
  for recipient in pairs(fields_of(key)) do
    if not place_of(key, recipient) then put(key, recipient, false) end
  end
  put(counts, 'shard', text((next_shard + 1) % N.shards))
end

-- Gives up the places whose 24 hours are over. `counts` holds: taken; expired = the minute up to which this was done;
-- first = no place was last used in an earlier minute; shard = where cleaning goes on; <minute> = places without an
-- open send by the minute of their last accepted one.
local function expire_places(portfolio, counts)
  local upto = math.floor(now / 60000) - PLACE_MINUTES - 1
  local done = get(counts, 'expired')
  if not done then
    put(counts, 'expired', text(upto))
    return
  end
  done = tonumber(done)
  if upto <= done then return end
  local gone = 0
  local function expire(minute)
    local places = get(counts, minute)
    if places then
      gone = gone + tonumber(places)
      put(counts, minute, false)
    end
  end
  if upto - done <= 100 then
    for minute = done + 1, upto do expire(text(minute)) end
  else
    for field in pairs(fields_of(counts)) do
      local minute = tonumber(field)
      if minute and minute <= upto then expire(field) end
    end
  end
  if gone > 0 then put(counts, 'taken', text(number(counts, 'taken') - gone)) end
  put(counts, 'expired', text(upto))
  for _ = 1, math.min(upto - done, TIDY_SHARDS) do clean_places(portfolio, counts) end
end

-- The oldest minute whose places free next, or nil while all are held by open sends.
local function oldest_closed(counts)
  local latest = math.floor(now / 60000)
  local minute = math.max(number(counts, 'first'), latest - PLACE_MINUTES)
  while minute <= latest and not get(counts, text(minute)) do minute = minute + 1 end
  put(counts, 'first', text(math.min(minute, latest)))
  if minute > latest then return nil end
  return minute
end

-- Says the rejection and answers true where one more send to this recipient would go over the limit.
local function window_refusal(portfolio, counts, key, recipient, limit)
  expire_places(portfolio, counts)
  local taken = number(counts, 'taken')
  if taken < limit or place_of(key, recipient) then return nil end
  local oldest = oldest_closed(counts)
  local wait = ''
  if oldest then
    wait = math.floor((math.max((oldest + PLACE_MINUTES + 1) * 60000 - now, 0) + 999) / 1000)
  end
  return { 'messaging_limit_reached', limit, taken, wait }
end

local function open_place(counts, key, recipient)
  local last, open = place_of(key, recipient)
  if not last then
    put(counts, 'taken', text(number(counts, 'taken') + 1))
    last, open = 0, 0
  elseif open == 0 then
    count(counts, text(last), -1)
  end
  put_place(key, recipient, last, open + 1)
end

-- Ends one send: accepted ones keep the place for 24 hours, others give it back where nothing else holds it.
local function close_place(portfolio, recipient, accepted)
  local key, counts = name(N.places, portfolio, shard(recipient)), name(N.counts, portfolio)
  local last, open = place_of(key, recipient)
  if not last or open == 0 then return end
  local minute = math.floor(now / 60000)
  open = open - 1
  if accepted then last = math.max(last, minute) end
  if open > 0 then
    put_place(key, recipient, last, open)
  elseif is_young(last, minute) then
    count(counts, text(last), 1)
    if last < number(counts, 'first') then put(counts, 'first', text(last)) end
    put_place(key, recipient, last, 0)
  else
    put(key, recipient, false)
    put(counts, 'taken', text(number(counts, 'taken') - 1))
  end
end

-- Cap rules travel as categories:max:window_s,...; a batch repeats the same text, so it is read once.
local rules_read = {}

local function rules_of(packed)
  local rules = rules_read[packed]
  if rules then return rules end
  rules = {}
  for categories, max, window_s in string.gmatch(packed, '(%d+):(%d+):(%d+)') do
    rules[#rules + 1] = { categories = tonumber(categories), max = tonumber(max), window_s = tonumber(window_s) }
  end
  rules_read[packed] = rules
  return rules
end

local function covers(rule, category)
  return math.floor(rule.categories / 2 ^ category) % 2 == 1
end

-- Marks are five bytes each, oldest first: the second, and the category.
local function marks_of(key, recipient)
  local packed, marks = get(key, recipient) or '', {}
  for from = 1, #packed, 5 do
    local at, category = struct.unpack('>I4B', packed, from)
    marks[#marks + 1] = { at = at, category = category }
  end
  return marks
end

local function put_marks(key, recipient, marks)
  local packed = {}
  for i, mark in ipairs(marks) do packed[i] = struct.pack('>I4B', mark.at, mark.category) end
  put(key, recipient, #packed > 0 and table.concat(packed))
end

-- The broken rule with the longest wait, as a rejection.
local function cap_refusal(rules, key, recipient, category)
  local now_s = math.floor(now / 1000)
  local worst, longest
  local marks = marks_of(key, recipient)
  for _, rule in ipairs(rules) do
    if covers(rule, category) then
      local counted = {}
      for _, mark in ipairs(marks) do
        if covers(rule, mark.category) and mark.at > now_s - rule.window_s then counted[#counted + 1] = mark.at end
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
local function clean_marks()
  local turn = math.floor(now / MARKS_TIDY_MS)
  if number(ACCOUNT, 'marks_turn') == turn then return end
  put(ACCOUNT, 'marks_turn', text(turn))
  local key = name(N.marks, turn % N.shards)
  local begin = math.floor(now / 1000) - MAX_CAP_WINDOW_S
  for recipient in pairs(fields_of(key)) do
    local marks = marks_of(key, recipient)
    if #marks > 0 and marks[#marks].at <= begin then put(key, recipient, false) end
  end
end

-- Leaves a mark where some rule counts the category; answers its second, or nil.
local function add_mark(rules, key, recipient, category)
  local covered, longest = false, 0
  for _, rule in ipairs(rules) do
    covered = covered or covers(rule, category)
    longest = math.max(longest, rule.window_s)
  end
  if not covered then return nil end
  clean_marks()
  local now_s, kept = math.floor(now / 1000), {}
  for _, mark in ipairs(marks_of(key, recipient)) do
    if mark.at > now_s - longest then kept[#kept + 1] = mark end
  end
  if #kept >= MAX_MARKS then table.remove(kept, 1) end
  kept[#kept + 1] = { at = now_s, category = category }
  put_marks(key, recipient, kept)
  return now_s
end

local function remove_mark(recipient, category, at)
  local key = name(N.marks, shard(recipient))
  local marks = marks_of(key, recipient)
  for i, mark in ipairs(marks) do
    if mark.at == at and mark.category == category then
      table.remove(marks, i)
      put_marks(key, recipient, marks)
      return
    end
  end
end
