-- How a hold ends: settled, released, or in doubt until evidence or a deadline decides; and the sweep that ages holds.
-- KEYS by index: open and doubt bucket of the hold. Names from the hold's recorded content are made here.
-- ARGV: settle: hold, has message id, message id, day, its start and end, two key indices; release: hold, code or '',
-- two indices; mark, abandon: hold, two indices; sweep: open age, in-doubt age, policy, day, its start and end.
-- Reply: 6 amount | 7 amount | 8 | 9 | 23 marked resolved more.

local SWEEP_LIMIT = 64

local function guards_name(fingerprint)
  return name(N.guards, string.byte(fingerprint, 1))
end

-- Without the sixteen bytes of one hold.
local function without(packed, id)
  for from = 1, #packed, 16 do
    if string.sub(packed, from, from + 15) == id then
      return string.sub(packed, 1, from - 1) .. string.sub(packed, from + 16)
    end
  end
  return packed
end

local function take_hold(id, open_key, doubt_key)
  local hold = find_hold(id, open_key, doubt_key)
  if not hold then return nil end
  remove_hold(id, hold)
  if hold.guarding then
    local key = guards_name(hold.fingerprint)
    local guards = without(get(key, hold.fingerprint) or '', id)
    put(key, hold.fingerprint, guards ~= '' and guards)
  end
  return hold
end

-- The bucket and record of the hold's idempotency key, while the record is still this hold's.
local function own_record(id, hold)
  if hold.key == '' then return nil end
  local day = tonumber(hold.half_day)
  local bucket = name(N.keys, day % 4, shard(hold.key))
  local record = key_record(bucket, day, hold.key)
  if record and record.hold == id then return bucket, record end
end

local function charge(id, hold)
  local wallet = hold.wallet ~= '' and wallet_of(hold.wallet)
  if not wallet then return end
  wallet.held = clamp(wallet.held - hold.amount)
  wallet.settled = clamp(wallet.settled - hold.amount)
  wallet.changed = true
  if hold.amount == 0 then return end
  next_entry()
  entries[#entries + 1] = table.concat({
    hold.wallet, 'charge', text(-hold.amount), text(wallet.settled), hold.channel, hold.campaign,
    hold.country .. hold.category, id,
  }, '|')
end

local function settle_hold(id, open_key, doubt_key, message_id, day)
  local hold = take_hold(id, open_key, doubt_key)
  if not hold then return say(9) end
  charge(id, hold)
  day = index_at(day)
  local usage, row = name(N.usage, day % N.usage_buckets), table.concat({ text(day), hold.channel, hold.country .. hold.category }, '|')
  add(usage, row .. '|m', 1)
  add(usage, row .. '|c', hold.amount)
  local campaign = hold.campaign ~= '' and campaign_of(hold.campaign)
  if campaign then
    campaign.held = clamp(campaign.held - hold.amount)
    campaign.spent = clamp(campaign.spent + hold.amount)
    campaign.changed = true
    add(campaign.key, 'a', 1)
    add(campaign.key, 'm:' .. hold.country .. hold.category, 1)
    add(campaign.key, 'c:' .. hold.country .. hold.category, hold.amount)
  end
  if hold.portfolio ~= '' then close_place(hold.portfolio, hold.recipient, true) end
  local bucket, record = own_record(id, hold)
  if record then
    -- Without a message id there is no first answer to repeat: the key stays in doubt.
    record.outcome, record.message_id = message_id and 'a' or 'd', message_id or ''
    put_key_record(bucket, hold.key, record)
  end
  say(6, hold.amount)
end

local function release_hold(id, open_key, doubt_key, code)
  local hold = take_hold(id, open_key, doubt_key)
  if not hold then return say(9) end
  local wallet = hold.wallet ~= '' and wallet_of(hold.wallet)
  if wallet then wallet.held, wallet.changed = clamp(wallet.held - hold.amount), true end
  local campaign = hold.campaign ~= '' and campaign_of(hold.campaign)
  if campaign then
    campaign.held, campaign.changed = clamp(campaign.held - hold.amount), true
    if code ~= '' then add(campaign.key, 'f:' .. code, 1) end
    if hold.deduped then put(name(N.sent, hold.campaign, shard(hold.recipient)), hold.recipient, false) end
  end
  if hold.portfolio ~= '' then close_place(hold.portfolio, hold.recipient, false) end
  if hold.mark ~= '' then remove_mark(hold.recipient, tonumber(hold.category), tonumber(hold.mark)) end
  if hold.month ~= '' then
    local of, taken = string.match(get(ALLOWANCES, hold.channel) or '', '^(%-?%d+)|(%d+)$')
    if of == hold.month then put(ALLOWANCES, hold.channel, of .. '|' .. text(math.max(tonumber(taken) - 1, 0))) end
  end
  local bucket, record = own_record(id, hold)
  if record then put(bucket, hold.key, false) end
  say(7, hold.amount)
end

-- From now on the hold guards its body: the same bytes to the same channel are refused until it is resolved.
local function guard(id, hold)
  if not hold.guarding then
    hold.guarding = true
    local key = guards_name(hold.fingerprint)
    put(key, hold.fingerprint, (get(key, hold.fingerprint) or '') .. id)
  end
  put(hold.bucket, id, pack_hold(hold))
end

local function mark_hold(id, open_key, doubt_key)
  local hold = find_hold(id, open_key, doubt_key)
  if not hold then return 9 end
  if hold.in_doubt then return 8 end
  remove_hold(id, hold)
  hold.bucket = doubt_key
  count(DOUBT_INDEX, text(doubt_slot(id)), 1)
  local campaign = hold.campaign ~= '' and campaign_of(hold.campaign)
  if campaign then add(campaign.key, 'k', 1) end
  local bucket, record = own_record(id, hold)
  if record then
    record.outcome = 'd'
    put_key_record(bucket, hold.key, record)
  end
  event('hold_in_doubt', hold.wallet, hold.campaign, id, text(hold.amount), '', '')
  guard(id, hold)
  return 8
end

local function settle()
  local id, known, message_id = take(), take() == '1', take()
  local day = take_span()
  settle_hold(id, take_key(), take_key(), known and message_id or nil, day)
end

local function release()
  local id, code = take(), take()
  release_hold(id, take_key(), take_key(), code)
end

local function mark_in_doubt()
  local id = take()
  say(mark_hold(id, take_key(), take_key()))
end

local function abandon()
  local id = take()
  local hold = find_hold(id, take_key(), take_key())
  if hold then guard(id, hold) end
  say(hold and 8 or 9)
end

-- Ids compare by their bytes; Lua would compare them by the server's locale.
local function in_order(ids)
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

-- The oldest holds made at or before `until_ms`, at most `limit`, from the slots that an index names.
local function oldest(index, slot_ms, slot_of, bucket_name, until_ms, limit)
  local slots, found = {}, {}
  for slot in pairs(fields_of(index)) do
    if tonumber(slot) * slot_ms <= until_ms then slots[#slots + 1] = tonumber(slot) end
  end
  table.sort(slots)
  for _, slot in ipairs(slots) do
    local ids = {}
    for id in pairs(fields_of(bucket_name(slot))) do
      if slot_of(id) == slot and created_ms(id) <= until_ms then ids[#ids + 1] = id end
    end
    for _, id in ipairs(in_order(ids)) do
      found[#found + 1] = id
      if #found == limit then return found end
    end
  end
  return found
end

local function sweep()
  local open_age, doubt_age, policy, day = take_number(), take_number(), take(), take_span()
  local stuck = oldest(OPEN_INDEX, 1000, open_slot, open_name, now - open_age, SWEEP_LIMIT + 1)
  local marked = math.min(#stuck, SWEEP_LIMIT)
  for i = 1, marked do mark_hold(stuck[i], open_name(open_slot(stuck[i])), doubt_name(doubt_slot(stuck[i]))) end
  local room = SWEEP_LIMIT - marked
  local overdue = oldest(DOUBT_INDEX, 60000, doubt_slot, doubt_name, now - doubt_age, room + 1)
  local resolved = math.min(#overdue, room)
  local said = out
  out = {} -- the verdicts of the single holds are nobody's
  for i = 1, resolved do
    local id = overdue[i]
    local open_key, doubt_key = open_name(open_slot(id)), doubt_name(doubt_slot(id))
    if policy == 'charge' then
      settle_hold(id, open_key, doubt_key, nil, day)
    else
      release_hold(id, open_key, doubt_key, '')
    end
  end
  out = said
  say(23, marked, resolved, (#stuck > SWEEP_LIMIT or #overdue > room) and 1 or 0)
end
