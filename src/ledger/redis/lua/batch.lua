-- One batch: who writes, what time it is, every operation in order, then all writes. KEYS: those of
-- store.lua; then those the operations name by index. ARGV: 1 only asks for the verdicts of a batch
-- that may have run (memory is short), 2 fixed time or '', 3 the gateway's clock, 4 writer, 5
-- number, 6 creates the account, 7 what the client knows of the account, 8 operations; then per
-- operation a code and fields. Reply: {ok, exists, verdicts...} | {skew, ms} | {lower, last} |
-- {lost, last or ''} | {gone} | {full}. A writer's record: number|time|reply packed.

local batch = {}

batch.DAY_MS = 86400000
batch.NUMBERS_KEPT_MS = 90 * batch.DAY_MS
batch.ENTRIES_AT_ONCE = 1000
batch.WRITERS_AT_ONCE = 64

batch.OPERATIONS = {
  [OP_RESERVE] = reserve.reserve,
  [OP_SETTLE] = resolve.settle,
  [OP_RELEASE] = resolve.release,
  [OP_MARK_IN_DOUBT] = resolve.mark_in_doubt,
  [OP_ABANDON] = resolve.abandon,
  [OP_SWEEP] = resolve.sweep,
  [OP_TOP_UP] = money.top_up,
  [OP_ADJUST] = money.adjust,
  [OP_PUT_WALLET] = money.put_wallet,
  [OP_PUT_DOCUMENT] = settings.put,
  [OP_DELETE_DOCUMENT] = settings.delete,
  [OP_CREATE_CAMPAIGN] = campaigns.create,
  [OP_STOP_CAMPAIGN] = campaigns.stop,
  [OP_RESTART_CAMPAIGN] = campaigns.restart,
  [OP_FINISH_CAMPAIGN] = campaigns.finish,
  [OP_COUNT_REJECTIONS] = campaigns.count,
  [OP_LEARN_ALIAS] = alias.learn,
  [OP_KEEP_UNHEARD] = guards.keep_unheard,
  [OP_HEAR] = guards.hear,
}

function batch.record_parts(packed)
  local last, at, reply = string.match(packed, '^(%d+)|(%d+)|(.*)$')
  return tonumber(last), tonumber(at), reply
end

function batch.writer_record(writer)
  return batch.record_parts(store.get(store.WRITERS, writer) or '')
end

-- Verdicts live a day after the writer's last batch, its number 90 days. Each new writer looks at
-- some of the others: a server that was full for long has many.
function batch.forget_idle_writers()
  local from = store.get(store.ACCOUNT, 'writers_cursor') or '0'
  local cursor, found =
    unpack(redis.call('HSCAN', store.WRITERS, from, 'COUNT', batch.WRITERS_AT_ONCE))
  store.put(store.ACCOUNT, 'writers_cursor', cursor ~= '0' and cursor)
  for i = 1, #found, 2 do
    local writer = found[i]
    local last, at, reply = batch.record_parts(found[i + 1])
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
      entry[#entry + 1] = FIELD_PACKED
      entry[#entry + 1] = state.entries[i]
    end
    list[#list + 1] = entry
  end
  for _, event in ipairs(state.events) do
    list[#list + 1] = { store.EVENTS, store.text(event[1]) .. '-0', FIELD_PACKED, event[2] }
  end
  if #state.entries > 0 then
    store.put(store.ACCOUNT, 'entries', store.text(state.entry_sequence))
  end
  if #state.events > 0 then
    store.put(store.ACCOUNT, 'events', store.text(state.event_sequence))
  end
  return list
end

local only_asks = args.flag()
local fixed, clock_ms = args.text(), args.number()
local writer, batch_number = args.text(), args.number()
local creates_account, known, operations = args.flag(), args.text(), args.number()

local last_ms = store.get(store.ACCOUNT, 'last')
local exists = last_ms ~= false
if not exists and known == ARG_KNOWN_PRESENT then return { REPLY_GONE } end
local last_number, _, last_reply
if exists then
  last_number, _, last_reply = batch.writer_record(writer)
  if last_number then
    if batch_number == last_number and last_reply ~= '' then
      return cmsgpack.unpack(last_reply)
    end
    if batch_number <= last_number then return { REPLY_LOWER, store.text(last_number) } end
    if batch_number > last_number + 1 then return { REPLY_LOST, store.text(last_number) } end
  elseif batch_number > 1 and known ~= ARG_KNOWN_ABSENT then
    return { REPLY_LOST, '' }
  end
end

if only_asks then return { REPLY_FULL } end

local store_ms = batch.store_time(fixed)
local skew = store_ms - clock_ms
if math.abs(skew) > N.clock_skew_ms then return { REPLY_SKEW, skew } end
store.now = math.max(store_ms, tonumber(last_ms or '0'))

local writes = exists or creates_account
state.say(REPLY_OK, writes and 1 or 0)
for _ = 1, operations do batch.OPERATIONS[args.text()]() end
-- An account that does not exist gives the verdicts of an empty one, and nothing is written.
if not writes then return state.out end

store.put(store.ACCOUNT, 'last', store.text(store.now))
if not last_number then batch.forget_idle_writers() end
local record = { store.text(batch_number), store.text(store.now), cmsgpack.pack(state.out) }
store.put(store.WRITERS, writer, table.concat(record, '|'))
state.save_all()
store.flush(batch.streams())
return state.out
