-- One batch: who writes, what time it is, every operation in order, then all writes. KEYS: those of
-- store.lua; then those the operations name by index. ARGV: 1 only asks for the verdicts of a batch
-- that may have run (memory is short), 2 the batch as encode.rs writes it: fixed time, the
-- gateway's clock, writer, number, whether it creates the account, what the client knows of the
-- account, operations; terms.read; then per operation a letter and fields. Reply: one text: a
-- letter of REPLY, then for a batch that was decided whether the account exists, and the verdicts.
-- A writer's record: number and time, and the reply.

local batch = {}

function batch.store_time()
  local time = call('TIME')
  return time[1] * 1000 + floor(time[2] / 1000)
end

-- Entries of one run are one stream entry; its id is time and last sequence, so that it can be
-- sought by either. Streams are written first: they alone could refuse, if something else wrote to
-- them.
function batch.write_streams(now)
  state.end_charges()
  if #state.entries > 0 then
    local last = store.text(state.entry_sequence)
    call('XADD', store.JOURNAL, now .. '-' .. last, FIELD_PACKED, table.concat(state.entries))
    call('HSET', store.ACCOUNT, 'last', now, 'entries', last)
  else
    call('HSET', store.ACCOUNT, 'last', now)
  end
  for _, event in ipairs(state.events) do
    call('XADD', store.EVENTS, store.text(event[1]) .. '-0', FIELD_PACKED, event[2])
  end
  if #state.events > 0 then
    call('HSET', store.ACCOUNT, 'events', store.text(state.event_sequence))
  end
  if prune.first_event then
    call('XTRIM', store.EVENTS, 'MINID', store.text(prune.first_event) .. '-0')
  end
end

function batch.decide(count)
  local given, to_reserve, to_settle = args.given, byte(OP_RESERVE), byte(OP_SETTLE)
  local done = 0
  while done < count do
    local code = byte(given, args.at)
    -- A send or settle changes what is plain only where it says so.
    if code == to_reserve then
      done = done + plain.reserves(count - done)
    elseif code == to_settle then
      done = done + settles.all(count - done)
    else
      args.at, state.turn, done = args.at + 1, state.turn + 1, done + 1
      operations[char(code)]()
    end
  end
end

function batch.save(writer, record)
  if next(people.changed) then window.clean(1) end
  local writes = state.writes()
  if blocks.doubts ~= 0 then store.count(store.ACCOUNT, 'in_doubt', blocks.doubts) end
  if store.added then store.fold_added() end
  batch.write_streams(store.text(store.now))
  call('HSET', store.WRITERS, writer, record)
  store.flush()
  for i = 1, #writes do call(unpack(writes[i])) end
  people.flush()
  blocks.flush()
end

-- The reply of a batch that ran before, or why this one may not; nil if it may. `number` is the
-- writer's, `known` what the client knows of the account.
function batch.check(exists, record, number, known)
  if not exists then return known == KNOWN_PRESENT and REPLY_GONE or nil end
  local version = store.number(store.ACCOUNT, 'version')
  if version ~= N.store_version then return REPLY_VERSION .. store.text(version) end
  if not record then
    return number > 1 and known ~= KNOWN_ABSENT and REPLY_LOST or nil
  end
  local last_number = read(writers.RECORD, record)
  if number == last_number and #record > writers.RECORD_SIZE then
    return sub(record, writers.RECORD_SIZE + 1)
  end
  if number <= last_number then return REPLY_LOWER .. store.text(last_number) end
  if number > last_number + 1 then return REPLY_LOST .. store.text(last_number) end
end

local function run(keys, argv)
  args.begin(keys, argv)
  store.begin(keys)
  state.begin()
  people.begin()
  blocks.begin()
  plain.begin()
  settles.begin()
  prune.begin()
  local fixed, fixed_ms, clock_ms, writer, number, creates, known, count
  fixed, fixed_ms, clock_ms, writer, number, creates, known, count, args.at =
    read('>Bi8i8c8I8BBI2', args.given)
  local head = call('HMGET', store.ACCOUNT, 'version', 'last', 'settings', 'entries', 'aliases',
    'guards', 'cleaned')
  store.cached[store.ACCOUNT] = {
    version = head[1], last = head[2], settings = head[3], entries = head[4], aliases = head[5],
    guards = head[6], cleaned = head[7],
  }
  local last_ms = head[2]
  local record = last_ms and call('HGET', store.WRITERS, writer)
  local answer = batch.check(last_ms, record, number, known)
  if answer then return answer end
  if argv[1] == '1' then return REPLY_FULL end
  local store_ms = fixed == 1 and fixed_ms or batch.store_time()
  if math.abs(store_ms - clock_ms) > N.clock_skew_ms then
    return REPLY_SKEW .. store.text(store_ms - clock_ms)
  end
  store.now = math.max(store_ms, tonumber(last_ms or '0'))
  local writes = last_ms or creates == 1
  if not last_ms then
    store.put(store.ACCOUNT, 'version', store.text(N.store_version))
    prune.begin_days()
  end
  if last_ms and floor(last_ms / 60000) < floor(store.now / 60000) then resolve.unbook_old() end
  terms.read()
  state.out[1] = REPLY_OK .. (writes and '1' or '0')
  batch.decide(count)
  local reply = table.concat(state.out)
  -- An account that does not exist gives the verdicts of an empty one, and nothing is written.
  if not writes then return reply end
  if not record then writers.forget_idle() end
  batch.save(writer, pack(writers.RECORD, number, store.now) .. reply)
  return reply
end
