-- Reserve: every limit is decided, in the documented order, before anything is kept.
-- KEYS by index: open bucket of the hold, and, where the send has them: campaign, campaign index, recipients sent to,
-- places, place counts, marks, guards, four buckets of idempotency keys.
-- ARGV: hold, settings version, price valid until, wallet, campaign, auto create, channel, country, category, amount,
-- allowance limit, month, its start and end, recipient, portfolio, limit, cap rules, fingerprint, key, key indices.
-- Reply: 1 amount available | 2 name details | 3 hold message id amount | 4 | 5 | 12 | 13.

local position = 0

local function take()
  position = position + 1
  return ARGV[position]
end

local function take_number()
  position = position + 1
  return tonumber(ARGV[position])
end

local function take_key()
  position = position + 1
  return KEYS[tonumber(ARGV[position])]
end

local function half_day()
  return math.floor(now / HALF_DAY_MS)
end

local function count_rejection(campaign, rejection, by)
  if campaign then add(campaign.key, 'x:' .. rejection, by) end
end

local function reject(campaign, rejection)
  count_rejection(campaign, rejection[1], 1)
  say(2, unpack(rejection))
end

local STOPS_EXTERNAL = { operator = true, quality_red = true, error_rate = true, finished = true }

local function campaign_refusal(request, campaign)
  if request.campaign == '' then return nil end
  if not campaign then return request.auto_create ~= '1' and { 'campaign_unknown' } end
  if campaign.reason ~= '' and (request.wallet ~= '' or STOPS_EXTERNAL[campaign.reason]) then
    return { 'campaign_stopped', campaign.reason, campaign.since }
  end
  if request.wallet == '' or campaign.wallet == '' then return nil end
  if request.wallet ~= campaign.wallet then return { 'campaign_unknown' } end
  local wallet = wallet_of(campaign.wallet)
  return wallet and wallet.epoch ~= campaign.epoch and { 'campaign_stopped', 'credits_exhausted', wallet.since }
end

-- A key's record: hold (16 bytes), fingerprint (16), outcome (o open, d in doubt, a accepted), amount|message id.
-- A bucket says in field h whose half day it holds; one that holds another's is as good as empty.
local function key_record(bucket, day, key)
  if get(bucket, 'h') ~= text(day) then return nil end
  local packed = get(bucket, key)
  if not packed then return nil end
  local amount, message_id = string.match(string.sub(packed, 34), '^([^|]*)|(.*)$')
  return {
    hold = string.sub(packed, 1, 16), fingerprint = string.sub(packed, 17, 32), outcome = string.sub(packed, 33, 33),
    amount = tonumber(amount), message_id = message_id,
  }
end

local function put_key_record(bucket, key, record)
  put(bucket, key, record.hold .. record.fingerprint .. record.outcome .. text(record.amount) .. '|' .. record.message_id)
end

-- Kept for the half day of their reserve and two more.
local function kept_record(request)
  local today = half_day()
  for day = today, today - 2, -1 do
    local record = key_record(request.key_buckets[day % 4 + 1], day, request.key)
    if record then return record end
  end
end

local function remember_key(request, amount)
  local today = half_day()
  local bucket = request.key_buckets[today % 4 + 1]
  if get(bucket, 'h') ~= text(today) then
    empty(bucket)
    put(bucket, 'h', text(today))
    -- Memory only: what a look-up may still find is judged by the half day.
    expiring[bucket] = 172800
  end
  put_key_record(bucket, request.key, {
    hold = request.hold, fingerprint = request.fingerprint, outcome = 'o', amount = amount, message_id = '',
  })
  return text(today)
end

-- Was this send made before? Answers true where the verdict has been said.
local function repeated(request, campaign)
  if request.key ~= '' then
    local record = kept_record(request)
    if record then
      if record.fingerprint ~= request.fingerprint then
        reject(campaign, { 'idempotency_conflict' })
      elseif record.outcome == 'o' then
        reject(campaign, { 'idempotency_in_flight' })
      elseif record.outcome == 'd' then
        reject(campaign, { 'outcome_unknown', record.hold })
      else
        say(3, record.hold, record.message_id, record.amount)
      end
      return true
    end
  else
    local guards = get(request.guards, request.fingerprint)
    if guards then
      reject(campaign, { 'outcome_unknown', string.sub(guards, 1, 16) })
      return true
    end
  end
  if campaign and campaign.dedupe and get(request.sent, request.recipient) then
    reject(campaign, { 'already_sent' })
    return true
  end
end

-- Right where the ledger's clock stands on the other side of a boundary than the gateway's.
local function index_at(span)
  if now < span.from then return span.index - 1 end
  if now >= span.till then return span.index + 1 end
  return span.index
end

local function take_span()
  return { index = take_number(), from = take_number(), till = take_number() }
end

local function taken_in(channel, month)
  local of, taken = string.match(get(ALLOWANCES, channel) or '', '^(%-?%d+)|(%d+)$')
  if tonumber(of) == month then return tonumber(taken) end
  return 0
end

-- The month whose free allowance this send takes, if any is left.
local function free_month(request)
  if request.allowance == '' then return nil end
  local month = index_at(request.month)
  if taken_in(request.channel, month) < tonumber(request.allowance) then return month end
end

local function budget_refusal(campaign, amount)
  if not campaign or amount <= 0 or not campaign.budget then return nil end
  if campaign.spent + campaign.held + amount <= campaign.budget then return nil end
  stop(campaign, 'budget_spent')
  event('campaign_stopped', campaign.wallet, campaign.id, '', text(campaign.budget), '', 'budget_spent')
  return { 'campaign_stopped', 'budget_spent', now }
end

-- The first campaign send refused for money: all campaigns of the wallet stop in this one step, with one event.
local function exhaust(request, campaign, wallet, price)
  if campaign and campaign.wallet == '' then
    campaign.wallet, campaign.epoch, campaign.changed = wallet.id, wallet.epoch, true
  end
  wallet.epoch = wallet.epoch + 1
  wallet.exhausted, wallet.since, wallet.refused, wallet.changed = true, now, price, true
  event('wallet_exhausted', wallet.id, request.campaign, '', text(price), text(available(wallet)), '')
end

local function balance_refusal(request, campaign, amount)
  if request.wallet == '' then return nil end
  local wallet = wallet_of(request.wallet)
  local left = available(wallet)
  if wallet.exhausted and request.campaign ~= '' and not campaign then
    return { 'insufficient_balance', math.max(amount, wallet.refused), left }
  end
  if amount <= 0 or left >= amount then return nil end
  if request.campaign ~= '' then exhaust(request, campaign, wallet, amount) end
  return { 'insufficient_balance', amount, left }
end

-- Creates the campaign where this is its first send, binds it to its wallet, counts what is held.
local function enter_campaign(request, campaign, amount)
  if request.campaign == '' then return false end
  campaign = campaign or add_campaign(request.campaign, request.campaign_key, request.campaign_index, '')
  if campaign.wallet == '' and request.wallet ~= '' then
    campaign.wallet, campaign.epoch = request.wallet, wallet_of(request.wallet).epoch
  end
  campaign.held, campaign.changed = clamp(campaign.held + amount), true
  if campaign.dedupe then put(request.sent, request.recipient, '1') end
  return campaign.dedupe
end

local function hold_it(request, campaign, amount, month)
  local deduped = enter_campaign(request, campaign, amount)
  local left = ''
  if request.wallet ~= '' then
    local wallet = wallet_of(request.wallet)
    wallet.held, wallet.changed = clamp(wallet.held + amount), true
    left = available(wallet)
    warn_when_low(wallet)
  end
  if request.portfolio ~= '' then open_place(request.counts, request.places, request.recipient) end
  local mark = add_mark(request.caps, request.marks, request.recipient, request.category)
  if month then put(ALLOWANCES, request.channel, text(month) .. '|' .. text(taken_in(request.channel, month) + 1)) end
  put(request.bucket, request.hold, pack_hold({
    amount = amount, wallet = request.wallet, campaign = request.campaign, channel = request.channel,
    country = request.country, category = text(request.category), portfolio = request.portfolio,
    month = month and text(month) or '', mark = mark and text(mark) or '', deduped = deduped, guarding = false,
    half_day = request.key ~= '' and remember_key(request, amount) or '', reserved = text(now),
    recipient = request.recipient, fingerprint = request.fingerprint, key = request.key,
  }))
  count(OPEN_INDEX, text(open_slot(request.hold)), 1)
  say(1, amount, left)
end

local function take_request()
  return {
    hold = take(), version = take_number(), valid_until = take_number(), wallet = take(), campaign = take(),
    auto_create = take(), channel = take(), country = take(), category = take_number(), amount = take_number(),
    allowance = take(), month = take_span(), recipient = take(), portfolio = take(), limit = take_number(),
    caps = rules_of(take()), fingerprint = take(), key = take(), bucket = take_key(), campaign_key = take_key(),
    campaign_index = take_key(), sent = take_key(), places = take_key(), counts = take_key(), marks = take_key(),
    guards = take_key(), key_buckets = { take_key(), take_key(), take_key(), take_key() },
  }
end

local function reserve()
  local request = take_request()
  if request.amount < 0 then return say(13) end
  if request.version ~= number(ACCOUNT, 'settings') then return say(4) end
  if now >= request.valid_until then return say(5) end
  if request.wallet ~= '' and not wallet_of(request.wallet) then return say(12) end
  local campaign = request.campaign ~= '' and campaign_of(request.campaign, request.campaign_key) or nil
  local refusal = campaign_refusal(request, campaign)
  if refusal then return reject(campaign, refusal) end
  if repeated(request, campaign) then return end
  if #request.caps > 0 and not (campaign and campaign.exempt) then
    refusal = cap_refusal(request.caps, request.marks, request.recipient, request.category)
    if refusal then return reject(campaign, refusal) end
  end
  if request.portfolio ~= '' then
    refusal = window_refusal(request.portfolio, request.counts, request.places, request.recipient, request.limit)
    if refusal then return reject(campaign, refusal) end
  end
  local month = free_month(request)
  local amount = month and 0 or request.amount
  refusal = budget_refusal(campaign, amount) or balance_refusal(request, campaign, amount)
  if refusal then return reject(campaign, refusal) end
  hold_it(request, campaign, amount, month)
end
