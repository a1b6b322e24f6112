-- One batch: who asks, what time it is, every operation in order, then all writes. KEYS: 1 account,
-- 2 wallets, 3 writers, 4 index of open holds, 5 index of holds in doubt, 6 events, 7 journal, 8
-- allowances; then those the operations name by index. ARGV: 1 only asks for the verdicts of a
-- batch that may have run (memory is short), 2 fixed time or '', 3 the gateway's clock, 4 writer, 5
-- number, 6 founds the account, 7 what the client knows of the account (0 nothing, 1 that it was
-- absent, 2 that it exists), 8 operations; then per operation a code and fields. Reply: {'ok',
-- exists, verdicts...} | {'skew', ms} | {'lower', last} | {'lost', last or ''} | {'gone'} |
-- {'full'}. A writer's record: number|time|reply packed.

local batch = {}

batch.DAY_MS = 86400000
batch.NUMBERS_KEPT_MS = 90 * batch.DAY_MS
batch.ENTRIES_AT_ONCE = 1000

batch.OPERATIONS = {
  R = reserve.reserve, S = resolve.settle, L = resolve.release, M = resolve.mark_in_doubt, A = resolve.abandon,
  Y = resolve.sweep, T = admin.top_up, J = admin.adjust, W = admin.put_wallet, D = admin.put_document,
  X = admin.delete_document, C = admin.create_campaign, P = admin.stop_campaign, G = admin.restart_campaign,
  F = admin.finish_campaign, N = admin.count_rejections,
}

function batch.writer_record(writer)
  local last, at, reply = string.match(store.get(store.WRITERS, writer) or '', '^(%d+)|(%d+)|(.*)$')
  return tonumber(last), tonumber(at), reply
end

-- Verdicts live a day after the writer's last batch, its number 90 days.
function batch.forget_idle_writers()
  for writer in pairs(store.fields_of(store.WRITERS)) do
    local last, at, reply = batch.writer_record(writer)
    if not last or store.now - at > batch.NUMBERS_KEPT_MS then
      store.put(store.WRITERS, writer, false)
    elseif store.now - at > batch.DAY_MS and reply ~= '' then
      store.put(store.WRITERS, writer, store.text(last) .. '|' .. store.text(at) .. '|')
    end
  end
end

function batch.store_time(fixed)
  if fixed ~= '' then return tonumber(fixed) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Entries of one run are one stream entry (more only after a large sweep); its id is time and last
-- sequence, so that it can be sought by either.
function batch.streams()
  local list = {}
  for from = 1, #state.entries, batch.ENTRIES_AT_ONCE do
    local till = math.min(from + batch.ENTRIES_AT_ONCE - 1, #state.entries)
    local last = state.entry_sequence - #state.entries + till
    local entry = { store.JOURNAL, store.text(store.now) .. '-' .. store.text(last) }
    for i = from, till do
      entry[#entry + 1] = 'e'
      entry[#entry + 1] = state.entries[i]
    end
    list[#list + 1] = entry
  end
  for _, told in ipairs(state.events) do
    list[#list + 1] = { store.EVENTS, store.text(told[1]) .. '-0', 'e', told[2] }
  end
  if #state.entries > 0 then store.put(store.ACCOUNT, 'entries', store.text(state.entry_sequence)) end
  if #state.events > 0 then store.put(store.ACCOUNT, 'events', store.text(state.event_sequence)) end
  return list
end

local only_asks = reserve.take() == '1'
local fixed, clock_ms = reserve.take(), reserve.take_number()
local writer, batch_number = reserve.take(), reserve.take_number()
local founds, known, operations = reserve.take() == '1', reserve.take(), reserve.take_number()

local last_ms = store.get(store.ACCOUNT, 'last')
local exists = last_ms ~= false
if not exists and known == '2' then return { 'gone' } end
local last_number, _, last_reply
if exists then
  last_number, _, last_reply = batch.writer_record(writer)
  if last_number then
    if batch_number == last_number and last_reply ~= '' then return cmsgpack.unpack(last_reply) end
    if batch_number <= last_number then return { 'lower', store.text(last_number) } end
    if batch_number > last_number + 1 then return { 'lost', store.text(last_number) } end
  elseif batch_number > 1 and known ~= '1' then
    return { 'lost', '' }
  end
end

if only_asks then return { 'full' } end

local store_ms = batch.store_time(fixed)
local skew = store_ms - clock_ms
if math.abs(skew) > N.clock_skew_ms then return { 'skew', skew } end
store.now = math.max(store_ms, tonumber(last_ms or '0'))

local writes = exists or founds
state.say('ok', writes and 1 or 0)
for _ = 1, operations do batch.OPERATIONS[reserve.take()]() end
-- On an account that does not exist everything is answered as by an empty one, and leaves nothing.
if not writes then return state.out end

store.put(store.ACCOUNT, 'last', store.text(store.now))
if not last_number then batch.forget_idle_writers() end
local record = { store.text(batch_number), store.text(store.now), cmsgpack.pack(state.out) }
store.put(store.WRITERS, writer, table.concat(record, '|'))
state.save_all()
store.flush(batch.streams())
return state.out
