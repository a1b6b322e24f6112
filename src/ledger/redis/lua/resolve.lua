-- How a hold ends, where it is no plain settle: released, or in doubt until evidence or a deadline
-- decides; and the sweep that ages holds. KEYS: buckets of blocks. Names from the hold's recorded
-- content are made here. ARGV: release: block, position, code or ''; mark: block, position,
-- reason; abandon: block, position; sweep: open age, in-doubt age,
-- policy, days to keep (prune.lua), day. Reply: settled:
-- amount | released: amount | marked | no hold | swept: marked, resolved, more.

local resolve = {}

resolve.SWEEP_LIMIT = 64
resolve.MEMBERS_AT_ONCE = 256

-- Amount and campaign of a hold whose flags say that they are others than those it was asked with.
function resolve.exceptions(flags, amount, campaign)
  if floor(flags / FLAG_FREE) % 2 == 1 then amount = 0 end
  if floor(flags / FLAG_FOREIGN) % 2 == 1 then campaign = '' end
  return amount, campaign
end

-- The hold as a table, or nil.
function resolve.hold_of(block, position)
  local segment, i = blocks.find(block, position)
  if not segment then return nil end
  local amount, recipient, fingerprint, row_at, row_size, number, _, key = read(blocks.RECORD,
    segment.content, segment.records + (i - 1) * blocks.RECORD_SIZE)
  local flags, route = segment.states[2 * i], segment.routes[number]
  local campaign
  amount, campaign = resolve.exceptions(flags, amount, route.campaign)
  return {
    id = block.prefix .. char(position), block = block, segment = segment, i = i,
    phase = segment.states[2 * i - 1], flags = flags, amount = amount, wallet = route.wallet,
    campaign = campaign, portfolio = route.portfolio, category = tonumber(route.category),
    recipient = recipient, fingerprint = fingerprint,
    channel = string.match(sub(segment.content, row_at, row_at + row_size - 1), '^[^|]*'),
    key = key > 0 and blocks.key_of(segment, key) or '', reserved = segment.reserved,
    month = floor(flags / FLAG_FREE) % 2 == 1 and terms.index_at(route.month, segment.reserved)
      or nil,
    guarding = flags % 2 == FLAG_GUARDING, deduped = floor(flags / FLAG_DEDUPED) % 2 == 1,
    hit = floor(flags / FLAG_HIT) % 2 == 1, booked = blocks.is_booked(flags),
  }
end

-- Accepted sends keep the slot for 24 hours. `key` is the person's.
function resolve.close_accepted(portfolio, recipient, key)
  local packed = people.packed[recipient]
  if packed == nil then packed = people.of(recipient, key) end
  if not packed then return end
  local high, low, _, _, _, more, open = byte(packed, 1, 7)
  if high * 256 + low ~= portfolio.number or more > 0 then
    return window.close_slot(portfolio, recipient, true)
  end
  if open == 0 then return end
  if not portfolio.closed_slot then
    local minute = math.max(floor(store.now / 60000) - people.BEGIN, 1)
    portfolio.closed_slot = pack(people.SLOT, portfolio.number, minute, 0)
  end
  packed = portfolio.closed_slot .. sub(packed, 8)
  if open == 1 then
    portfolio.closed = portfolio.closed + 1
  else
    packed = sub(packed, 1, 6) .. char(open - 1) .. sub(packed, 8)
  end
  people.packed[recipient], people.changed[recipient] = packed, key
end

-- Books a charge; `position` is the hold's in its block, `text` the amount as eight bytes.
function resolve.charge(wallet, names, prefix, position, row, amount, text)
  local before = wallet.settled
  local settled = clamp(before - amount)
  wallet.held, wallet.settled, wallet.changed = clamp(wallet.held - amount), settled, true
  if amount == 0 then return end
  local charges = state.charges
  if not charges or charges.settled ~= before or charges.names ~= names
    or charges.prefix ~= prefix or settled ~= before - amount then
    charges = state.begin_charges(names, prefix, settled + amount)
  end
  local n = charges.size
  charges[n + 1], charges[n + 2], charges[n + 3] = char(position, #row), text, row
  charges.settled, charges.size = settled, n + 3
end

-- Turns a hold into a charge; returns its amount as eight bytes, and whether the send may be asked
-- for again: by its key, or because it guarded its body.
function resolve.settle_hold(block, segment, i, day)
  local content, from = segment.content, segment.records + (i - 1) * blocks.RECORD_SIZE
  local high, low, size, number, position, key = byte(content, from + 32, from + 37)
  local row_at, text = high * 256 + low, sub(content, from, from + 7)
  local row, amount = sub(content, row_at, row_at + size - 1), state.amounts[text]
  local route, flags = segment.routes[number], segment.states[2 * i]
  amount = amount or state.amount(text)
  local names, campaign_id = route.names, route.campaign
  -- Free sends and those of a campaign that is paid from elsewhere are few.
  if flags >= FLAG_FREE then
    amount, campaign_id = resolve.exceptions(flags, amount, campaign_id)
    text = pack('>i8', amount)
    if campaign_id ~= route.campaign then names = route.wallet .. '||' end
  end
  blocks.set_phase(block, segment, i, PHASE_GONE)
  if route.wallet ~= '' then
    local wallet = route.paid or state.wallet_of(route.wallet)
    route.paid = wallet
    if wallet then resolve.charge(wallet, names, block.prefix, position, row, amount, text) end
  end
  local sort = state.use(terms.usage_on(day), row, amount, 1)
  local campaign = campaign_id ~= '' and (state.campaigns[campaign_id]
    or state.campaign_of(campaign_id))
  if campaign then
    campaign.held = clamp(campaign.held - amount)
    campaign.spent = clamp(campaign.spent + amount)
    campaign.accepted, campaign.changed = campaign.accepted + 1, true
    state.use(campaign.usage, sort, amount, 1)
  end
  if route.portfolio ~= '' then
    local portfolio = route.counted or state.portfolio_of(route.portfolio)
    route.counted = portfolio
    if not blocks.is_booked(flags) then
      local recipient = sub(content, from + 8, from + 15)
      resolve.close_accepted(portfolio, recipient, people.name(recipient))
    elseif floor(segment.reserved / 60000) == floor(store.now / 60000) then
      portfolio.closed = portfolio.closed + 1
    else
      bookings.confirm(portfolio, sub(content, from + 8, from + 15))
    end
  end
  return text, key > 0 or flags % 2 == FLAG_GUARDING
end

function resolve.take_hold(block, position)
  local hold = resolve.hold_of(block, position)
  if not hold then return nil end
  blocks.set_phase(block, hold.segment, hold.i, PHASE_GONE)
  if hold.guarding then guards.remove(hold.id, hold.fingerprint) end
  return hold
end

-- The bucket, day and record of the hold's idempotency key, while the record is still this hold's.
function resolve.own_record(id, key, reserved)
  if key == '' then return nil end
  local day = floor(reserved / store.HALF_DAY_MS)
  local bucket = store.name(N.keys, day % 4, store.shard(key))
  local record = reserve.key_record(bucket, day, key)
  if record and record.hold == id then return bucket, record end
end

-- What a settled hold leaves for those who ask again: its key's answer, or that nobody heard it.
function resolve.keep_answer(block, segment, i, message_id)
  local flags = segment.states[2 * i]
  local amount, _, fingerprint, _, _, _, position, number = read(blocks.RECORD, segment.content,
    segment.records + (i - 1) * blocks.RECORD_SIZE)
  amount = resolve.exceptions(flags, amount, '')
  local id, guarding = block.prefix .. char(position), flags % 2 == FLAG_GUARDING
  if guarding then guards.remove(id, fingerprint) end
  local key = number > 0 and blocks.key_of(segment, number) or ''
  local bucket, record = resolve.own_record(id, key, segment.reserved)
  if record then
    -- Without a message id there is no first answer to repeat: the key stays in doubt.
    record.outcome = message_id and OUTCOME_ACCEPTED or OUTCOME_IN_DOUBT
    record.message_id = message_id or ''
    reserve.put_key_record(bucket, key, record)
  end
  local hold = { amount = amount, fingerprint = fingerprint, guarding = guarding, key = key }
  guards.keep(id, hold, message_id)
end

function resolve.release_hold(block, position, code)
  local hold = resolve.take_hold(block, position)
  if not hold then return state.say(V_NO_HOLD) end
  local wallet = hold.wallet ~= '' and state.wallet_of(hold.wallet)
  if wallet then wallet.held, wallet.changed = clamp(wallet.held - hold.amount), true end
  local campaign = hold.campaign ~= '' and state.campaign_of(hold.campaign)
  if campaign then
    campaign.held, campaign.changed = clamp(campaign.held - hold.amount), true
    if code ~= '' then store.add(campaign.key, FIELD_REFUSED .. code, 1) end
    if hold.deduped then
      local sent = store.name(N.sent, hold.campaign, store.shard(hold.recipient))
      store.put(sent, hold.recipient, false)
    end
  end
  if hold.booked then
    bookings.drop(state.portfolio_of(hold.portfolio), hold.recipient)
  elseif hold.portfolio ~= '' then
    window.close_slot(state.portfolio_of(hold.portfolio), hold.recipient, false)
  end
  if hold.hit then
    caps.remove_hit(hold.recipient, hold.category, floor(hold.reserved / 1000))
  end
  if hold.month then
    local allowance = store.get(store.ALLOWANCES, hold.channel) or ''
    local of, taken = string.match(allowance, '^(%-?%d+)|(%d+)$')
    if tonumber(of) == hold.month then
      local left = store.text(math.max(tonumber(taken) - 1, 0))
      store.put(store.ALLOWANCES, hold.channel, of .. '|' .. left)
    end
  end
  local bucket, record = resolve.own_record(hold.id, hold.key, hold.reserved)
  if record then store.put(bucket, hold.key, false) end
  state.out[#state.out + 1] = pack('>Bi8', V_RELEASED, hold.amount)
end

-- From now on the hold guards its body: the same bytes to the same channel are refused until it is
-- resolved.
function resolve.guard(hold)
  if hold.guarding then return end
  guards.add(hold.id, hold.fingerprint)
  hold.segment.states[2 * hold.i] = hold.flags + FLAG_GUARDING
  blocks.changed[hold.block.prefix] = hold.block
end

-- From now on the hold's slot is taken for as long as it is unresolved.
function resolve.unbook(hold)
  bookings.open(state.portfolio_of(hold.portfolio), hold.recipient, hold.segment, hold.i,
    hold.block)
  hold.flags = hold.segment.states[2 * hold.i]
end

-- Bookings of sends that are open for longer than a slot is taken, before anything finds the slot
-- over: only a sweep that was missing for a day leaves any.
function resolve.unbook_old()
  local until_ms = (floor(store.now / 60000) - people.SLOT_MINUTES) * 60000 - 1
  local old = resolve.oldest(store.OPEN_INDEX, until_ms, math.huge, resolve.is_open)
  for _, pair in ipairs(old) do
    local hold = resolve.hold_of(pair[1], pair[2])
    if hold.booked then resolve.unbook(hold) end
  end
end

function resolve.mark_hold(block, position, reason)
  local hold = resolve.hold_of(block, position)
  if not hold then return V_NO_HOLD end
  if hold.phase > PHASE_OPEN then
    -- A send that reports after the sweep gave up on it knows better why its outcome is unknown.
    if hold.phase == byte(DOUBT_UNREPORTED) and reason ~= DOUBT_UNREPORTED then
      blocks.set_phase(block, hold.segment, hold.i, byte(reason))
    end
    return V_MARKED
  end
  blocks.set_phase(block, hold.segment, hold.i, byte(reason))
  if hold.booked then resolve.unbook(hold) end
  local campaign = hold.campaign ~= '' and state.campaign_of(hold.campaign)
  if campaign then campaign.unknown, campaign.changed = campaign.unknown + 1, true end
  local bucket, record = resolve.own_record(hold.id, hold.key, hold.reserved)
  if record then
    record.outcome = OUTCOME_IN_DOUBT
    reserve.put_key_record(bucket, hold.key, record)
  end
  state.event(EVENT_HOLD_IN_DOUBT, hold.wallet, hold.campaign, hold.id, store.text(hold.amount),
    '', '')
  resolve.guard(hold)
  return V_MARKED
end

-- The block and position that an operation names.
function resolve.named()
  local number, position
  number, position, args.at = read('BB', args.given, args.at)
  return blocks.nth(number), position
end

function resolve.release()
  local block, position = resolve.named()
  resolve.release_hold(block, position, args.text())
end

function resolve.mark_in_doubt()
  local block, position = resolve.named()
  state.say(resolve.mark_hold(block, position, args.text()))
end

function resolve.abandon()
  local hold = resolve.hold_of(resolve.named())
  if hold then resolve.guard(hold) end
  state.say(hold and V_MARKED or V_NO_HOLD)
end

-- The holds reserved at or before `until_ms`, first by id, at most `limit`, as pairs of block and
-- position. An id carries its gateway's clock, which may be off; the age is that of the time the
-- block keeps.
function resolve.oldest(index, until_ms, limit, is_kind)
  local found, near_ms = {}, math.max(until_ms + N.clock_skew_ms, -1)
  -- What this run has changed the index does not show yet.
  for prefix, block in pairs(blocks.changed) do
    if read('>I6', prefix) <= near_ms then resolve.add_holds(found, block, until_ms, is_kind) end
  end
  local changed, begin = #found, '-'
  repeat
    local members = call('ZRANGEBYLEX', index, begin, '(' .. pack('>I6', near_ms + 1), 'LIMIT', 0,
      resolve.MEMBERS_AT_ONCE)
    for _, member in ipairs(members) do
      local prefix = sub(member, 1, 15)
      if read('>I6', member, 16) <= until_ms and not blocks.changed[prefix] then
        resolve.add_holds(found, blocks.of_prefix(prefix), until_ms, is_kind)
      end
      if #found - changed >= limit then break end
    end
    begin = '(' .. (members[#members] or '')
  until #members < resolve.MEMBERS_AT_ONCE or #found - changed >= limit
  if changed > 0 then resolve.sort(found) end
  for i = limit + 1, #found do found[i] = nil end
  return found
end

-- In order of their ids; Lua would compare texts by the server's locale.
function resolve.sort(found)
  for _, pair in ipairs(found) do
    pair[3], pair[4], pair[5] = read('>I6I6I3', pair[1].prefix)
  end
  table.sort(found, function(x, y)
    for i = 3, 5 do
      if x[i] ~= y[i] then return x[i] < y[i] end
    end
    return x[2] < y[2]
  end)
end

-- Adds a block's holds of one kind that are old enough, in order of their ids.
function resolve.add_holds(found, block, until_ms, is_kind)
  local positions = {}
  for _, segment in ipairs(block) do
    if segment.reserved <= until_ms then
      for i = 1, segment.count do
        if is_kind(segment.states[2 * i - 1]) then
          positions[#positions + 1] = byte(segment.content,
            segment.records + (i - 1) * blocks.RECORD_SIZE + blocks.POSITION)
        end
      end
    end
  end
  table.sort(positions)
  for _, position in ipairs(positions) do found[#found + 1] = { block, position } end
end

function resolve.is_open(phase) return phase == PHASE_OPEN end
function resolve.is_doubt(phase) return phase > PHASE_OPEN end

-- Whether the policy of a hold's reason releases it.
function resolve.is_released(released, phase)
  return string.find(released, char(phase), 1, true) ~= nil
end

function resolve.sweep()
  local open_until = store.now - args.number()
  local doubt_until = store.now - args.number()
  local released = args.text()
  local kept, day = prune.read(), args.span()
  local limit = resolve.SWEEP_LIMIT
  local stuck = resolve.oldest(store.OPEN_INDEX, open_until, limit + 1, resolve.is_open)
  local marked = math.min(#stuck, limit)
  for i = 1, marked do resolve.mark_hold(stuck[i][1], stuck[i][2], DOUBT_UNREPORTED) end
  local room = limit - marked
  local overdue = resolve.oldest(store.DOUBT_INDEX, doubt_until, room + 1, resolve.is_doubt)
  local resolved = math.min(#overdue, room)
  local said = state.out
  state.out = {} -- the verdicts of the single holds are nobody's
  for i = 1, resolved do
    local block, position = overdue[i][1], overdue[i][2]
    local segment, at = blocks.find(block, position)
    if resolve.is_released(released, segment.states[2 * at - 1]) then
      resolve.release_hold(block, position, '')
    else
      local _, kept = resolve.settle_hold(block, segment, at, day)
      if kept then resolve.keep_answer(block, segment, at, nil) end
    end
  end
  state.out = said
  guards.expire(limit)
  store.put(store.ACCOUNT, 'swept', store.text(store.now))
  local more = prune.run(kept) or #stuck > limit or #overdue > room
  state.say(V_SWEPT, marked, resolved, more and 1 or 0)
end
