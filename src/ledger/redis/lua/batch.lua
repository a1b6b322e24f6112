-- One batch: who asks, what time it is, every operation in order, then all writes.
-- KEYS: 1 account, 2 wallets, 3 writers, 4 index of open holds, 5 index of holds in doubt, 6 events, 7 journal,
-- 8 allowances; then those the operations name by index.
-- ARGV: 1 fixed time or '', 2 the gateway's clock, 3 writer, 4 number, 5 founds the account, 6 what the client knows of
-- the account (0 nothing, 1 that it was absent, 2 that it exists), 7 operations; then per operation a code and fields.
-- Reply: {'ok', exists, verdicts...} | {'skew', ms} | {'lower', last} | {'lost', last or ''} | {'gone'}.
-- A writer's record: number|time|reply packed.

local DAY_MS = 86400000
local NUMBERS_KEPT_MS = 90 * DAY_MS
local ENTRIES_AT_ONCE = 1000

local OPERATIONS = {
  R = reserve, S = settle, L = release, M = mark_in_doubt, A = abandon, T = top_up, J = adjust, W = put_wallet,
  D = put_document, X = delete_document, C = create_campaign, P = stop_campaign, G = restart_campaign,
  F = finish_campaign, N = count_rejections, Y = sweep,
}

local function writer_record(writer)
  local last, at, reply = string.match(get(WRITERS, writer) or '', '^(%d+)|(%d+)|(.*)$')
  return tonumber(last), tonumber(at), reply
end

-- Verdicts live a day after the writer's last batch, its number 90 days.
local function forget_idle_writers()
  for writer in pairs(fields_of(WRITERS)) do
    local last, at, reply = writer_record(writer)
    if not last or now - at > NUMBERS_KEPT_MS then
      put(WRITERS, writer, false)
    elseif now - at > DAY_MS and reply ~= '' then
      put(WRITERS, writer, text(last) .. '|' .. text(at) .. '|')
    end
  end
end

local function store_time(fixed)
  if fixed ~= '' then return tonumber(fixed) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Entries of one run are one stream entry (more only after a large sweep); its id is time and last sequence, so that it
-- can be sought by either.
local function streams()
  local list = {}
  for from = 1, #entries, ENTRIES_AT_ONCE do
    local till = math.min(from + ENTRIES_AT_ONCE - 1, #entries)
    local entry = { JOURNAL, text(now) .. '-' .. text(entry_sequence - #entries + till) }
    for i = from, till do
      entry[#entry + 1] = 'e'
      entry[#entry + 1] = entries[i]
    end
    list[#list + 1] = entry
  end
  for _, told in ipairs(events) do list[#list + 1] = { EVENTS, text(told[1]) .. '-0', 'e', told[2] } end
  if #entries > 0 then put(ACCOUNT, 'entries', text(entry_sequence)) end
  if #events > 0 then put(ACCOUNT, 'events', text(event_sequence)) end
  return list
end

local fixed, clock_ms, writer, batch_number = take(), take_number(), take(), take_number()
local founds, known, operations = take() == '1', take(), take_number()

local last_ms = get(ACCOUNT, 'last')
local exists = last_ms ~= false
if not exists and known == '2' then return { 'gone' } end
local last_number, _, last_reply
if exists then
  last_number, _, last_reply = writer_record(writer)
  if last_number then
    if batch_number == last_number and last_reply ~= '' then return cmsgpack.unpack(last_reply) end
    if batch_number <= last_number then return { 'lower', text(last_number) } end
    if batch_number > last_number + 1 then return { 'lost', text(last_number) } end
  elseif batch_number > 1 and known ~= '1' then
    return { 'lost', '' }
  end
end

local store_ms = store_time(fixed)
local skew = store_ms - clock_ms
if math.abs(skew) > 60000 then return { 'skew', skew } end
now = math.max(store_ms, tonumber(last_ms or '0'))

local writes = exists or founds
say('ok', writes and 1 or 0)
for _ = 1, operations do OPERATIONS[take()]() end
-- On an account that does not exist everything is answered as by an empty one, and leaves nothing.
if not writes then return out end

put(ACCOUNT, 'last', text(now))
if not last_number then forget_idle_writers() end
put(WRITERS, writer, text(batch_number) .. '|' .. text(now) .. '|' .. cmsgpack.pack(out))
save_all()
flush(streams())
return out
