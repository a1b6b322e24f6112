-- Reserve: every limit is decided, in the documented order, before anything is kept. KEYS by place:
-- open bucket of the hold, and, where the send has them: campaign, campaign index, recipients sent
-- to, places, place counts, marks, guards, four buckets of idempotency keys. ARGV: everything
-- packed (see reserve.PACKED), cap rules. Reply: 1 amount available | 2 name details | 3 hold
-- message id amount | 4 | 5 | 12 | 13.

local reserve = {}

reserve.position = 0

function reserve.take()
  reserve.position = reserve.position + 1
  return ARGV[reserve.position]
end

function reserve.take_number()
  reserve.position = reserve.position + 1
  return tonumber(ARGV[reserve.position])
end

function reserve.take_key()
  reserve.position = reserve.position + 1
  return KEYS[tonumber(ARGV[reserve.position])]
end

function reserve.half_day()
  return math.floor(store.now / store.HALF_DAY_MS)
end

function reserve.count_rejection(campaign, rejection, by)
  if campaign then store.add(campaign.key, 'x:' .. rejection, by) end
end

function reserve.reject(campaign, rejection)
  reserve.count_rejection(campaign, rejection[1], 1)
  state.say(2, unpack(rejection))
end

reserve.STOPS_EXTERNAL = { operator = true, quality_red = true, error_rate = true, finished = true }

function reserve.campaign_refusal(request, campaign)
  if request.campaign == '' then return nil end
  if not campaign then return not request.auto_create and { 'campaign_unknown' } end
  if campaign.reason ~= '' and (request.wallet ~= '' or reserve.STOPS_EXTERNAL[campaign.reason]) then
    return { 'campaign_stopped', campaign.reason, campaign.since }
  end
  if request.wallet == '' or campaign.wallet == '' then return nil end
  if request.wallet ~= campaign.wallet then return { 'campaign_unknown' } end
  local wallet = state.wallet_of(campaign.wallet)
  return wallet and wallet.epoch ~= campaign.epoch and { 'campaign_stopped', 'credits_exhausted', wallet.since }
end

-- A key's record: hold (16 bytes), fingerprint (16), outcome (o open, d in doubt, a accepted),
-- amount|message id. A bucket says in field h whose half day it holds; one that holds another's is
-- as good as empty.
function reserve.key_record(bucket, day, key)
  if store.get(bucket, 'h') ~= store.text(day) then return nil end
  local packed = store.get(bucket, key)
  if not packed then return nil end
  local amount, message_id = string.match(string.sub(packed, 34), '^([^|]*)|(.*)$')
  return {
    hold = string.sub(packed, 1, 16), fingerprint = string.sub(packed, 17, 32), outcome = string.sub(packed, 33, 33),
    amount = tonumber(amount), message_id = message_id,
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
  if store.get(bucket, 'h') ~= store.text(today) then
    store.empty(bucket)
    store.put(bucket, 'h', store.text(today))
    -- Memory only: what a look-up may still find is judged by the half day.
    store.expiring[bucket] = 172800
  end
  reserve.put_key_record(bucket, request.key, {
    hold = request.hold, fingerprint = request.fingerprint, outcome = 'o', amount = amount, message_id = '',
  })
  return store.text(today)
end

-- Was this send made before? Answers true where the verdict has been said.
function reserve.repeated(request, campaign)
  if request.key ~= '' then
    local record = reserve.kept_record(request)
    if record then
      if record.fingerprint ~= request.fingerprint then
        reserve.reject(campaign, { 'idempotency_conflict' })
      elseif record.outcome == 'o' then
        reserve.reject(campaign, { 'idempotency_in_flight' })
      elseif record.outcome == 'd' then
        reserve.reject(campaign, { 'outcome_unknown', record.hold })
      else
        state.say(3, record.hold, record.message_id, record.amount)
      end
      return true
    end
  else
    local guards = store.get(request.guards, request.fingerprint)
    if guards then
      reserve.reject(campaign, { 'outcome_unknown', string.sub(guards, 1, 16) })
      return true
    end
  end
  if campaign and campaign.dedupe and store.get(request.sent, request.recipient) then
    reserve.reject(campaign, { 'already_sent' })
    return true
  end
end

-- Right where the ledger's clock stands on the other side of a boundary than the gateway's.
function reserve.index_at(span)
  if store.now < span.from then return span.index - 1 end
  if store.now >= span.till then return span.index + 1 end
  return span.index
end

function reserve.take_span()
  return { index = reserve.take_number(), from = reserve.take_number(), till = reserve.take_number() }
end

function reserve.taken_in(channel, month)
  local of, taken = string.match(store.get(store.ALLOWANCES, channel) or '', '^(%-?%d+)|(%d+)$')
  if tonumber(of) == month then return tonumber(taken) end
  return 0
end

-- The month whose free allowance this send takes, if any is left.
function reserve.free_month(request)
  if not request.allowance then return nil end
  local month = reserve.index_at(request.month)
  if reserve.taken_in(request.channel, month) < request.allowance then return month end
end

function reserve.budget_refusal(campaign, amount)
  if not campaign or amount <= 0 or not campaign.budget then return nil end
  if campaign.spent + campaign.held + amount <= campaign.budget then return nil end
  state.stop(campaign, 'budget_spent')
  state.event('campaign_stopped', campaign.wallet, campaign.id, '', store.text(campaign.budget), '', 'budget_spent')
  return { 'campaign_stopped', 'budget_spent', store.now }
end

-- The first campaign send refused for money: all campaigns of the wallet stop in this one step,
-- with one event.
function reserve.exhaust(request, campaign, wallet, price)
  if campaign and campaign.wallet == '' then
    campaign.wallet, campaign.epoch, campaign.changed = wallet.id, wallet.epoch, true
  end
  wallet.epoch = wallet.epoch + 1
  wallet.exhausted, wallet.since, wallet.refused, wallet.changed = true, store.now, price, true
  local left = store.text(state.available(wallet))
  state.event('wallet_exhausted', wallet.id, request.campaign, '', store.text(price), left, '')
end

function reserve.balance_refusal(request, campaign, amount)
  if request.wallet == '' then return nil end
  local wallet = state.wallet_of(request.wallet)
  local left = state.available(wallet)
  -- A campaign that no prepaid send has bound to this wallet yet begins when there are credits
  -- again.
  if wallet.exhausted and request.campaign ~= '' and (not campaign or campaign.wallet == '') then
    return { 'insufficient_balance', math.max(amount, wallet.refused), left }
  end
  if amount <= 0 or left >= amount then return nil end
  if request.campaign ~= '' then reserve.exhaust(request, campaign, wallet, amount) end
  return { 'insufficient_balance', amount, left }
end

-- Creates the campaign where this is its first send, binds it to its wallet, counts what is held.
function reserve.enter_campaign(request, campaign, amount)
  if request.campaign == '' then return false end
  campaign = campaign or state.add_campaign(request.campaign, request.campaign_key, request.campaign_index, '')
  if campaign.wallet == '' and request.wallet ~= '' then
    campaign.wallet, campaign.epoch = request.wallet, state.wallet_of(request.wallet).epoch
  end
  campaign.held, campaign.changed = store.clamp(campaign.held + amount), true
  if campaign.dedupe then store.put(request.sent, request.recipient, '1') end
  return campaign.dedupe
end

function reserve.hold_it(request, campaign, amount, month)
  local deduped = reserve.enter_campaign(request, campaign, amount)
  local left = ''
  if request.wallet ~= '' then
    local wallet = state.wallet_of(request.wallet)
    wallet.held, wallet.changed = store.clamp(wallet.held + amount), true
    left = state.available(wallet)
    state.warn_when_low(wallet)
  end
  if request.portfolio ~= '' then window.open_place(request.counts, request.places, request.recipient) end
  local mark = window.add_mark(request.caps, request.marks, request.recipient, request.category)
  if month then
    local taken = reserve.taken_in(request.channel, month) + 1
    store.put(store.ALLOWANCES, request.channel, store.text(month) .. '|' .. store.text(taken))
  end
  store.put(request.bucket, request.hold, state.pack_hold({
    amount = amount, wallet = request.wallet, campaign = request.campaign, channel = request.channel,
    country = request.country, category = store.text(request.category), portfolio = request.portfolio,
    month = month and store.text(month) or '', mark = mark and store.text(mark) or '', deduped = deduped,
    guarding = false,
    half_day = request.key ~= '' and reserve.remember_key(request, amount) or '', reserved = store.text(store.now),
    recipient = request.recipient, fingerprint = request.fingerprint, key = request.key,
  }))
  store.count(store.OPEN_INDEX, store.text(state.open_slot(request.hold)), 1)
  state.say(1, amount, left)
end

-- Numbers and hashes first, then the places of the keys, then texts with their lengths; encode.rs
-- writes it.
reserve.PACKED = '>c16c8c16I8I8i8BBBI4i4i8i8I4' .. string.rep('I2', 12) .. string.rep('Bc0', 6)

function reserve.take_request()
  local hold, recipient, fingerprint, version, valid_until, amount, category, auto_create, allowed, free, month, from,
    till, limit, bucket, campaign_key, campaign_index, sent, places, counts, marks, guards, first, second, third,
    fourth, wallet, campaign, channel, country, portfolio, key = struct.unpack(reserve.PACKED, reserve.take())
  return {
    hold = hold, recipient = recipient, fingerprint = fingerprint, version = version, valid_until = valid_until,
    amount = amount, category = category, auto_create = auto_create == 1, allowance = allowed == 1 and free,
    month = { index = month, from = from, till = till }, limit = limit, bucket = KEYS[bucket],
    campaign_key = KEYS[campaign_key], campaign_index = KEYS[campaign_index], sent = KEYS[sent], places = KEYS[places],
    counts = KEYS[counts], marks = KEYS[marks], guards = KEYS[guards],
    key_buckets = { KEYS[first], KEYS[second], KEYS[third], KEYS[fourth] }, wallet = wallet, campaign = campaign,
    channel = channel, country = country, portfolio = portfolio, key = key, caps = window.rules_of(reserve.take()),
  }
end

function reserve.reserve()
  local request = reserve.take_request()
  if request.amount < 0 then return state.say(13) end
  if request.version ~= store.number(store.ACCOUNT, 'settings') then return state.say(4) end
  if store.now >= request.valid_until then return state.say(5) end
  if request.wallet ~= '' and not state.wallet_of(request.wallet) then return state.say(12) end
  local campaign = request.campaign ~= '' and state.campaign_of(request.campaign, request.campaign_key) or nil
  local refusal = reserve.campaign_refusal(request, campaign)
  if refusal then return reserve.reject(campaign, refusal) end
  if reserve.repeated(request, campaign) then return end
  if #request.caps > 0 and not (campaign and campaign.exempt) then
    refusal = window.cap_refusal(request.caps, request.marks, request.recipient, request.category)
    if refusal then return reserve.reject(campaign, refusal) end
  end
  if request.portfolio ~= '' then
    refusal = window.window_refusal(request.portfolio, request.counts, request.places, request.recipient, request.limit)
    if refusal then return reserve.reject(campaign, refusal) end
  end
  local month = reserve.free_month(request)
  local amount = month and 0 or request.amount
  refusal = reserve.budget_refusal(campaign, amount) or reserve.balance_refusal(request, campaign, amount)
  if refusal then return reserve.reject(campaign, refusal) end
  reserve.hold_it(request, campaign, amount, month)
end
