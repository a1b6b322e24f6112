-- Reserve: every limit is checked, in the documented order, before anything is kept; only slots
-- whose time is over are given up in between. `check_*` functions change nothing; what a refusal
-- keeps is in record_refusal alone. KEYS by index: see plain.lua; and, if the send has a key, four
-- buckets of idempotency keys. ARGV: those of a plain send; then four key indexes if it has a key,
-- and eight bytes if it is spelled otherwise. Reply: reserved: amount, available, observed |
-- rejected: name, details | replayed: hold, message id, amount | stale settings | stale price |
-- wallet unknown | out of range.

local reserve = {}

-- Everything one send is judged by.
function reserve.read(given, record, asked, flags, person)
  local segment, route = given.segment, blocks.route_of(asked.route)
  local amount, recipient, fingerprint, row_at, row_size, _, position, key = read(blocks.RECORD,
    segment.content, segment.records + (record - 1) * blocks.RECORD_SIZE)
  local names = args.keys
  local request = {
    given = given, record = record, hold = given.prefix .. char(position), recipient = recipient,
    fingerprint = fingerprint, version = asked.version, valid_until = asked.valid_until,
    amount = amount, category = tonumber(route.category), covered = route.covered,
    auto_create = asked.flags % 2 == TERMS_AUTO_CREATE,
    observe = floor(asked.flags / TERMS_OBSERVE) % 2 == 1, observed = '',
    allowance = floor(asked.flags / TERMS_FREE) % 2 == 1 and asked.free, month = route.month,
    limit = asked.limit, replay_ms = asked.replay_s * 1000,
    campaign_key = names[asked.campaign_key], campaign_index = names[asked.campaign_index],
    person = person, wallet = route.wallet, campaign = route.campaign,
    channel = string.match(sub(segment.content, row_at, row_at + row_size - 1), '^[^|]*'),
    portfolio = route.portfolio, key = '', spelled = '', caps = terms.rules_of(asked.caps),
    guarding = flags % 2 == SEND_GUARDING,
  }
  if key > 0 then request.key = blocks.key_of(segment, key) end
  if floor(flags / SEND_KEY) % 2 == 1 then
    local first, second, third, fourth
    first, second, third, fourth, args.at = read('>I2I2I2I2', args.given, args.at)
    request.key_buckets = { names[first], names[second], names[third], names[fourth] }
  end
  if floor(flags / SEND_SPELLED) % 2 == 1 then
    request.spelled, args.at = read('c8', args.given, args.at)
  end
  if request.portfolio ~= '' then
    request.window = state.portfolio_of(request.portfolio, names[asked.counts])
  end
  return request
end

function reserve.half_day()
  return floor(store.now / store.HALF_DAY_MS)
end

-- What the request was made under: nil, or the verdict. No rule rejected it, so none is counted.
function reserve.check_terms(request)
  -- A hold of less than nothing would make credits.
  if request.amount < 0 then return V_OUT_OF_RANGE end
  if request.version ~= store.number(store.ACCOUNT, 'settings') then return V_STALE_SETTINGS end
  if store.now >= request.valid_until then return V_STALE_PRICE end
  if request.wallet ~= '' and not state.wallet_of(request.wallet) then return V_WALLET_UNKNOWN end
end

-- External channels are never stopped for money.
reserve.STOPS_EXTERNAL = {
  [REASON_OPERATOR] = true, [REASON_QUALITY_RED] = true, [REASON_ERROR_RATE] = true,
  [REASON_FINISHED] = true,
}

-- Whether the send counts on the campaign it names: not on one that is not there, nor on one that
-- is paid from another wallet.
function reserve.campaign_takes(request, campaign)
  if not campaign then return request.auto_create end
  return request.wallet == '' or campaign.wallet == '' or request.wallet == campaign.wallet
end

function reserve.check_campaign(request, campaign)
  if request.campaign == '' then return nil end
  if not campaign then return not request.auto_create and { REJECTION_CAMPAIGN_UNKNOWN } end
  local reason = campaign.reason
  if reason ~= '' and (request.wallet ~= '' or reserve.STOPS_EXTERNAL[reason]) then
    return { REJECTION_CAMPAIGN_STOPPED, reason, campaign.since, '' }
  end
  if not reserve.campaign_takes(request, campaign) then return { REJECTION_CAMPAIGN_UNKNOWN } end
  if request.wallet == '' or campaign.wallet == '' then return nil end
  local wallet = state.wallet_of(campaign.wallet)
  if not wallet or wallet.epoch == campaign.epoch then return nil end
  -- What is missing for the price at which the wallet ran out.
  local shortfall = math.max(clamp(wallet.refused - state.available(wallet)), 0)
  return { REJECTION_CAMPAIGN_STOPPED, REASON_CREDITS_EXHAUSTED, wallet.since, shortfall }
end

-- A key's record: hold (16 bytes), the first half of the fingerprint (8), outcome (one letter),
-- amount|message id, as message_id.rs packs it. A bucket's FIELD_HALF_DAY is its half day; a bucket
-- of another half day counts as empty.
function reserve.key_record(bucket, day, key)
  if store.get(bucket, FIELD_HALF_DAY) ~= store.text(day) then return nil end
  local packed = store.get(bucket, key)
  if not packed then return nil end
  local amount, message_id = string.match(sub(packed, 26), '^([^|]*)|(.*)$')
  return {
    hold = sub(packed, 1, 16), fingerprint = sub(packed, 17, 24),
    outcome = sub(packed, 25, 25), amount = tonumber(amount), message_id = message_id,
  }
end

function reserve.put_key_record(bucket, key, record)
  local known = record.hold .. record.fingerprint .. record.outcome
  store.put(bucket, key, known .. store.text(record.amount) .. '|' .. record.message_id)
end

-- Kept for the half day of their reserve and two more.
function reserve.kept_record(request)
  local today = reserve.half_day()
  for day = today, today - 2, -1 do
    local record = reserve.key_record(request.key_buckets[day % 4 + 1], day, request.key)
    if record then return record end
  end
end

function reserve.remember_key(request, amount)
  local today = reserve.half_day()
  local bucket = request.key_buckets[today % 4 + 1]
  if store.get(bucket, FIELD_HALF_DAY) ~= store.text(today) then
    store.empty(bucket)
    store.put(bucket, FIELD_HALF_DAY, store.text(today))
    -- Memory only: what a look-up may still find is decided by the half day.
    store.expiring[bucket] = 172800
  end
  reserve.put_key_record(bucket, request.key, {
    hold = request.hold, fingerprint = sub(request.fingerprint, 1, 8), outcome = OUTCOME_OPEN,
    amount = amount, message_id = '',
  })
  return store.text(today)
end

-- The refusal of a send whose key is known; a replay is no rejection.
function reserve.refusal_of_key(request, record)
  if record.fingerprint ~= sub(request.fingerprint, 1, 8) then
    return { REJECTION_IDEMPOTENCY_CONFLICT }
  end
  if record.outcome == OUTCOME_OPEN then return { REJECTION_IDEMPOTENCY_IN_FLIGHT } end
  if record.outcome == OUTCOME_IN_DOUBT then return { REJECTION_OUTCOME_UNKNOWN, record.hold } end
  return { record.hold, record.message_id, record.amount, replay = true }
end

-- Whether this send was made before, by key or by a body nobody waits for any more.
function reserve.check_repetition(request)
  if request.key ~= '' then
    local record = reserve.kept_record(request)
    if record then return reserve.refusal_of_key(request, record) end
  else
    local known = store.get(store.ACCOUNT, 'guards')
      and store.get(guards.name(request.fingerprint), request.fingerprint)
    if known then
      local ids, answers = guards.parts(known)
      if ids ~= '' then return { REJECTION_OUTCOME_UNKNOWN, sub(ids, 1, 16) } end
      local answer = guards.unheard(answers, request.replay_ms)
      if answer then
        return { answer.hold, answer.message_id, answer.amount, replay = true }
      end
    end
  end
end

-- Whether its campaign, which writes to each person once, has written to this one.
function reserve.check_sent(request, campaign)
  if campaign and campaign.dedupe and reserve.was_sent(request) then
    return { REJECTION_ALREADY_SENT }
  end
end

-- Where a campaign notes its recipients.
function reserve.sent_name(request)
  return store.name(N.sent, request.campaign, store.shard(request.recipient))
end

-- Whether the campaign has written to this person, whatever the person was known as.
function reserve.was_sent(request)
  if store.get(reserve.sent_name(request), request.recipient) then return true end
  for _, other in ipairs(request.known_as) do
    if store.get(store.name(N.sent, request.campaign, store.shard(other)), other) then
      return true
    end
  end
  return false
end

-- Everything else the recipient is known as. Before identities were known, what was sent is kept
-- under the number as written; no slot is looked for there.
function reserve.know_person(request)
  request.others = alias.others_of(request.recipient)
  request.known_as = request.others
  if request.spelled ~= '' then
    request.known_as = { unpack(request.others) }
    table.insert(request.known_as, request.spelled)
  end
end

-- A person of whom one recipient has a slot takes no second one: the send is kept under that one.
function reserve.find_slot_holder(request)
  local number = request.window.number
  if people.slot_of(people.of(request.recipient, request.person), number) then return end
  for _, other in ipairs(request.others) do
    if people.slot_of(people.of(other), number) then
      request.recipient, request.person = other, people.name(other)
      return
    end
  end
end

function reserve.taken_in(channel, month)
  local of, taken =
    string.match(store.get(store.ALLOWANCES, channel) or '', '^(%-?%d+)|(%d+)$')
  if tonumber(of) == month then return tonumber(taken) end
  return 0
end

-- The month whose free allowance this send takes, if any is left.
function reserve.free_month(request)
  if not request.allowance then return nil end
  local month = terms.index_at(request.month, store.now)
  if reserve.taken_in(request.channel, month) < request.allowance then return month end
end

-- The first send above the campaign's budget: `spends` makes record_refusal stop the campaign.
function reserve.check_budget(campaign, amount)
  if not campaign or amount <= 0 or not campaign.budget then return nil end
  if campaign.spent + campaign.held + amount <= campaign.budget then return nil end
  return { REJECTION_CAMPAIGN_STOPPED, REASON_BUDGET_SPENT, store.now, '', spends = true }
end

-- The first campaign send refused for money: `exhausts` makes record_refusal stop all campaigns of
-- the wallet.
function reserve.check_balance(request, campaign, amount)
  if request.wallet == '' then return nil end
  local wallet = state.wallet_of(request.wallet)
  local left = state.available(wallet)
  -- A campaign that no prepaid send has bound to this wallet yet begins when there are credits
  -- again.
  local begins = request.campaign ~= '' and (not campaign or campaign.wallet == '')
  if wallet.exhausted and begins then
    return { REJECTION_INSUFFICIENT_BALANCE, amount, left, wallet.refused }
  end
  if amount <= 0 or left >= amount then return nil end
  return { REJECTION_INSUFFICIENT_BALANCE, amount, left, '', exhausts = request.campaign ~= '' }
end

-- A limit's own no to what is only observed is noted, and the send goes on.
function reserve.limit(request, refusal)
  if not refusal or not request.observe then return refusal end
  if request.observed == '' then request.observed = refusal[1] end
  reserve.keep_first(request, refusal)
end

-- The minute from which the oldest slot is looked for next: a search costs a call per minute.
function reserve.keep_first(request, refusal)
  if refusal.first then store.put(request.window.key, 'first', store.text(refusal.first)) end
end

function reserve.check_caps(request, campaign)
  if #request.caps == 0 or campaign and campaign.exempt then return nil end
  people.of(request.recipient, request.person)
  local hits = caps.hits_of_person(request.recipient, request.known_as)
  return caps.check(request.caps, hits, request.category)
end

-- What comes before the messaging limit.
function reserve.check_send(request, campaign)
  return reserve.limit(request, reserve.check_campaign(request, campaign))
    or reserve.check_repetition(request)
    or reserve.limit(request, reserve.check_sent(request, campaign))
    or reserve.limit(request, reserve.check_caps(request, campaign))
end

-- The messaging limit and money: nil, what is held and the month of a free allowance; or the
-- refusal.
function reserve.check_limits(request, campaign)
  if request.window then
    local packed = people.of(request.recipient, request.person)
    local refusal =
      reserve.limit(request, window.check_slot(request.window, packed, request.limit))
    if refusal then return refusal end
  end
  local month = reserve.free_month(request)
  local amount = month and 0 or request.amount
  local refusal = reserve.limit(request, reserve.check_budget(campaign, amount))
    or reserve.limit(request, reserve.check_balance(request, campaign, amount))
  return refusal, amount, month
end

function reserve.stop_for_budget(campaign)
  campaigns.stop_for(campaign, REASON_BUDGET_SPENT)
  local budget = store.text(campaign.budget)
  state.event(EVENT_CAMPAIGN_STOPPED, campaign.wallet, campaign.id, '', budget, '',
    REASON_BUDGET_SPENT)
end

-- All campaigns of the wallet stop in this one step, with one event.
function reserve.exhaust(request, campaign, price)
  local wallet = state.wallet_of(request.wallet)
  if campaign and campaign.wallet == '' then
    campaign.wallet, campaign.epoch, campaign.changed = wallet.id, wallet.epoch, true
  end
  wallet.epoch = wallet.epoch + 1
  wallet.exhausted, wallet.since, wallet.refused, wallet.changed = true, store.now, price, true
  local left = store.text(state.available(wallet))
  state.event(EVENT_WALLET_EXHAUSTED, wallet.id, request.campaign, '', store.text(price), left, '')
end

-- Everything a refused send keeps: a stop with its event, the campaign's counter, and where the
-- oldest slot is looked for next.
function reserve.record_refusal(request, campaign, refusal)
  if refusal.replay then return state.say(V_REPLAYED, unpack(refusal)) end
  if refusal.spends then reserve.stop_for_budget(campaign) end
  if refusal.exhausts then reserve.exhaust(request, campaign, refusal[2]) end
  reserve.keep_first(request, refusal)
  campaigns.count_rejection(campaign, refusal[1], 1)
  state.say(V_REJECTED, unpack(refusal))
end

-- Creates the campaign if this is its first send, binds it to its wallet, counts what is held;
-- returns whether the recipient was noted.
function reserve.enter_campaign(request, campaign, amount)
  if request.campaign == '' then return false end
  campaign = campaign
    or campaigns.add(request.campaign, request.campaign_key, request.campaign_index, '')
  if campaign.wallet == '' and request.wallet ~= '' then
    campaign.wallet, campaign.epoch = request.wallet, state.wallet_of(request.wallet).epoch
  end
  campaign.held, campaign.changed = clamp(campaign.held + amount), true
  -- One that only observes may send for a finished campaign, which forgets its recipients.
  local dedupe = campaign.dedupe and campaign.reason ~= REASON_FINISHED
  local newly = dedupe and not store.get(reserve.sent_name(request), request.recipient)
  if newly then store.put(reserve.sent_name(request), request.recipient, '1') end
  return newly
end

-- Keeps what an admitted send holds; nothing may be refused any more.
function reserve.apply(request, campaign, amount, month)
  local flags = 0
  if not reserve.campaign_takes(request, campaign) then
    if request.campaign ~= '' then flags = flags + FLAG_FOREIGN end
    request.campaign = ''
  end
  if reserve.enter_campaign(request, campaign, amount) then flags = flags + FLAG_DEDUPED end
  local wallet, left
  if request.wallet ~= '' then
    wallet = state.wallet_of(request.wallet)
    wallet.held, wallet.changed = clamp(wallet.held + amount), true
    left = state.available(wallet)
    money.warn_when_low(wallet)
  end
  if request.window then
    flags = flags + bookings.take(request.window, request.recipient, request.person,
      request.given.prefix)
  end
  if request.covered then
    people.of(request.recipient, request.person)
    caps.add_hit(request.caps, request.recipient, request.category)
    flags = flags + FLAG_HIT
  end
  if month then
    local taken = reserve.taken_in(request.channel, month) + 1
    store.put(store.ALLOWANCES, request.channel, store.text(month) .. '|' .. store.text(taken))
    flags = flags + FLAG_FREE
  end
  if request.key ~= '' then reserve.remember_key(request, amount) end
  if request.guarding then
    flags = flags + FLAG_GUARDING
    guards.add(request.hold, request.fingerprint)
  end
  blocks.keep_recipient(request.given.segment, request.record, request.recipient)
  blocks.open(request.given, request.record, flags)
  state.say_reserved(amount, wallet, left, request.observed)
end

function reserve.reserve(...)
  local request = reserve.read(...)
  local verdict = reserve.check_terms(request)
  if verdict then return state.say(verdict) end
  local campaign = request.campaign ~= ''
    and state.campaign_of(request.campaign, request.campaign_key) or nil
  reserve.know_person(request)
  local refusal = reserve.check_send(request, campaign)
  if refusal then return reserve.record_refusal(request, campaign, refusal) end
  -- Slots whose 24 hours are over count for no decision. They are given up only here, because a
  -- send refused above needs no window, and looking would cost a call.
  if request.window then
    window.expire_slots(request.window)
    if #request.others > 0 then reserve.find_slot_holder(request) end
  end
  local amount, month
  refusal, amount, month = reserve.check_limits(request, campaign)
  if refusal then return reserve.record_refusal(request, campaign, refusal) end
  reserve.apply(request, campaign, amount, month)
end
