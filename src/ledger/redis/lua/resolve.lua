-- How a hold ends: settled, released, or in doubt until evidence or a deadline decides; and the
-- sweep that ages holds. KEYS by index: open and doubt bucket of the hold. Names from the hold's
-- recorded content are made here. ARGV: settle: hold, has message id, message id, day, two key
-- indexes; release: hold, code or '', two indexes; mark, abandon: hold, two indexes; sweep: open
-- age, in-doubt age, policy, day. Reply: settled: amount | released: amount | marked | no hold |
-- swept: marked, resolved, more.

local resolve = {}

resolve.SWEEP_LIMIT = 64

function resolve.take_hold(id, open_key, doubt_key)
  local hold = state.find_hold(id, open_key, doubt_key)
  if not hold then return nil end
  state.remove_hold(id, hold)
  if hold.guarding then guards.remove(id, hold.fingerprint) end
  return hold
end

-- The bucket and record of the hold's idempotency key, while the record is still this hold's.
function resolve.own_record(id, hold)
  if hold.key == '' then return nil end
  local day = tonumber(hold.half_day)
  local bucket = store.name(N.keys, day % 4, store.shard(hold.key))
  local record = reserve.key_record(bucket, day, hold.key)
  if record and record.hold == id then return bucket, record end
end

function resolve.charge(id, hold)
  local wallet = hold.wallet ~= '' and state.wallet_of(hold.wallet)
  if not wallet then return end
  wallet.held = store.clamp(wallet.held - hold.amount)
  wallet.settled = store.clamp(wallet.settled - hold.amount)
  wallet.changed = true
  if hold.amount == 0 then return end
  state.next_entry()
  state.entries[#state.entries + 1] = table.concat({
    hold.wallet, ENTRY_CHARGE, store.text(-hold.amount), store.text(wallet.settled), hold.channel,
    hold.campaign, hold.country .. hold.category, id,
  }, '|')
end

function resolve.settle_hold(id, open_key, doubt_key, message_id, day)
  local hold = resolve.take_hold(id, open_key, doubt_key)
  if not hold then return state.say(V_NO_HOLD) end
  resolve.charge(id, hold)
  day = reserve.index_at(day)
  local sort = hold.country .. hold.category
  local usage = store.name(N.usage, day % N.usage_buckets)
  local row = table.concat({ store.text(day), hold.channel, sort }, '|')
  store.add(usage, row .. USAGE_MESSAGES, 1)
  store.add(usage, row .. USAGE_CREDITS, hold.amount)
  local campaign = hold.campaign ~= '' and state.campaign_of(hold.campaign)
  if campaign then
    campaign.held = store.clamp(campaign.held - hold.amount)
    campaign.spent = store.clamp(campaign.spent + hold.amount)
    campaign.changed = true
    store.add(campaign.key, FIELD_ACCEPTED, 1)
    store.add(campaign.key, FIELD_MESSAGES .. sort, 1)
    store.add(campaign.key, FIELD_CREDITS .. sort, hold.amount)
  end
  if hold.portfolio ~= '' then window.close_slot(hold.portfolio, hold.recipient, true) end
  local bucket, record = resolve.own_record(id, hold)
  if record then
    -- Without a message id there is no first answer to repeat: the key stays in doubt.
    record.outcome = message_id and OUTCOME_ACCEPTED or OUTCOME_IN_DOUBT
    record.message_id = message_id or ''
    reserve.put_key_record(bucket, hold.key, record)
  end
  guards.keep(id, hold, message_id)
  state.say(V_SETTLED, hold.amount)
end

function resolve.release_hold(id, open_key, doubt_key, code)
  local hold = resolve.take_hold(id, open_key, doubt_key)
  if not hold then return state.say(V_NO_HOLD) end
  local wallet = hold.wallet ~= '' and state.wallet_of(hold.wallet)
  if wallet then wallet.held, wallet.changed = store.clamp(wallet.held - hold.amount), true end
  local campaign = hold.campaign ~= '' and state.campaign_of(hold.campaign)
  if campaign then
    campaign.held, campaign.changed = store.clamp(campaign.held - hold.amount), true
    if code ~= '' then store.add(campaign.key, FIELD_REFUSED .. code, 1) end
    if hold.deduped then
      local sent = store.name(N.sent, hold.campaign, store.shard(hold.recipient))
      store.put(sent, hold.recipient, false)
    end
  end
  if hold.portfolio ~= '' then window.close_slot(hold.portfolio, hold.recipient, false) end
  if hold.cap_hit ~= '' then
    caps.remove_hit(hold.recipient, tonumber(hold.category), tonumber(hold.cap_hit))
  end
  if hold.month ~= '' then
    local allowance = store.get(store.ALLOWANCES, hold.channel) or ''
    local of, taken = string.match(allowance, '^(%-?%d+)|(%d+)$')
    if of == hold.month then
      local left = store.text(math.max(tonumber(taken) - 1, 0))
      store.put(store.ALLOWANCES, hold.channel, of .. '|' .. left)
    end
  end
  local bucket, record = resolve.own_record(id, hold)
  if record then store.put(bucket, hold.key, false) end
  state.say(V_RELEASED, hold.amount)
end

-- From now on the hold guards its body: the same bytes to the same channel are refused until it is
-- resolved.
function resolve.guard(id, hold)
  if not hold.guarding then
    hold.guarding = true
    guards.add(id, hold.fingerprint)
  end
  store.put(hold.bucket, id, state.pack_hold(hold))
end

-- A send that reports after the sweep gave up on it knows better why its outcome is unknown.
function resolve.name_doubt(id, hold, reason)
  if hold.doubt == DOUBT_UNREPORTED and reason ~= DOUBT_UNREPORTED then
    hold.doubt = reason
    store.put(hold.bucket, id, state.pack_hold(hold))
  end
end

function resolve.mark_hold(id, open_key, doubt_key, reason)
  local hold = state.find_hold(id, open_key, doubt_key)
  if not hold then return V_NO_HOLD end
  if hold.in_doubt then
    resolve.name_doubt(id, hold, reason)
    return V_MARKED
  end
  state.remove_hold(id, hold)
  hold.bucket, hold.doubt = doubt_key, reason
  store.count(store.DOUBT_INDEX, store.text(state.doubt_minute(id)), 1)
  local campaign = hold.campaign ~= '' and state.campaign_of(hold.campaign)
  if campaign then store.add(campaign.key, FIELD_UNKNOWN, 1) end
  local bucket, record = resolve.own_record(id, hold)
  if record then
    record.outcome = OUTCOME_IN_DOUBT
    reserve.put_key_record(bucket, hold.key, record)
  end
  state.event(EVENT_HOLD_IN_DOUBT, hold.wallet, hold.campaign, id, store.text(hold.amount), '', '')
  resolve.guard(id, hold)
  return V_MARKED
end

function resolve.settle()
  local id, known, message_id = args.text(), args.flag(), args.text()
  local day = args.span()
  resolve.settle_hold(id, args.key(), args.key(), known and message_id or nil, day)
end

function resolve.release()
  local id, code = args.text(), args.text()
  resolve.release_hold(id, args.key(), args.key(), code)
end

function resolve.mark_in_doubt()
  local id, reason = args.text(), args.text()
  state.say(resolve.mark_hold(id, args.key(), args.key(), reason))
end

function resolve.abandon()
  local id = args.text()
  local hold = state.find_hold(id, args.key(), args.key())
  if hold then resolve.guard(id, hold) end
  state.say(hold and V_MARKED or V_NO_HOLD)
end

-- Ids compare by their bytes; Lua would compare them by the server's locale.
function resolve.in_order(ids)
  local parts = {}
  for i, id in ipairs(ids) do
    local a, b, c = struct.unpack('>I6I6I4', id)
    parts[i] = { a, b, c, id }
  end
  table.sort(parts, function(x, y)
    if x[1] ~= y[1] then return x[1] < y[1] end
    if x[2] ~= y[2] then return x[2] < y[2] end
    return x[3] < y[3]
  end)
  for i, part in ipairs(parts) do ids[i] = part[4] end
  return ids
end

-- How holds of one state are found: their index, the length of its periods in milliseconds, the
-- period of an id, the bucket of a period.
resolve.OPEN = {
  index = store.OPEN_INDEX, length_ms = 1000, period_of = state.open_second,
  name = state.open_name,
}
resolve.DOUBT = {
  index = store.DOUBT_INDEX, length_ms = 60000, period_of = state.doubt_minute,
  name = state.doubt_name,
}

-- Periods that may have holds created at or before `near_ms`, in order.
function resolve.periods(kind, near_ms)
  local periods = {}
  for period in pairs(store.fields_of(kind.index)) do
    period = tonumber(period)
    if period * kind.length_ms <= near_ms then periods[#periods + 1] = period end
  end
  table.sort(periods)
  return periods
end

-- The holds reserved at or before `until_ms`, first by id, at most `limit`. An id carries its
-- gateway's clock, which may be off; the age is that of the time the hold keeps.
function resolve.oldest(kind, until_ms, limit)
  local found, near_ms = {}, until_ms + N.clock_skew_ms
  for _, period in ipairs(resolve.periods(kind, near_ms)) do
    local ids, bucket = {}, kind.name(period)
    for id in pairs(store.fields_of(bucket)) do
      local near = kind.period_of(id) == period and state.created_ms(id) <= near_ms
      if near then ids[#ids + 1] = id end
    end
    for _, id in ipairs(resolve.in_order(ids)) do
      if tonumber(state.unpack_hold(store.get(bucket, id)).reserved) <= until_ms then
        found[#found + 1] = id
        if #found == limit then return found end
      end
    end
  end
  return found
end

function resolve.bucket_names(id)
  return state.open_name(state.open_second(id)), state.doubt_name(state.doubt_minute(id))
end

-- Whether the policy of a hold's reason releases it.
function resolve.is_released(released, packed)
  local reason = state.unpack_hold(packed).doubt
  return string.find(released, reason ~= '' and reason or DOUBT_REASONLESS, 1, true) ~= nil
end

function resolve.sweep()
  local open_until = store.now - args.number()
  local doubt_until = store.now - args.number()
  local released, day = args.text(), args.span()
  local limit = resolve.SWEEP_LIMIT
  local stuck = resolve.oldest(resolve.OPEN, open_until, limit + 1)
  local marked = math.min(#stuck, limit)
  for i = 1, marked do
    local open_key, doubt_key = resolve.bucket_names(stuck[i])
    resolve.mark_hold(stuck[i], open_key, doubt_key, DOUBT_UNREPORTED)
  end
  local room = limit - marked
  local overdue = resolve.oldest(resolve.DOUBT, doubt_until, room + 1)
  local resolved = math.min(#overdue, room)
  local said = state.out
  state.out = {} -- the verdicts of the single holds are nobody's
  for i = 1, resolved do
    local id = overdue[i]
    local open_key, doubt_key = resolve.bucket_names(id)
    if resolve.is_released(released, store.get(doubt_key, id)) then
      resolve.release_hold(id, open_key, doubt_key, '')
    else
      resolve.settle_hold(id, open_key, doubt_key, nil, day)
    end
  end
  state.out = said
  guards.expire(limit)
  local more = #stuck > limit or #overdue > room
  state.say(V_SWEPT, marked, resolved, more and 1 or 0)
end
