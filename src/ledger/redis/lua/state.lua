-- Wallets, campaigns and holds as tables, and what a run reports: verdicts, statement entries and
-- events. KEYS: of store.lua. ARGV: none. Reply: none; `say` gathers the verdicts.

local state = {}

state.out = {}

function state.say(...)
  for i = 1, select('#', ...) do state.out[#state.out + 1] = (select(i, ...)) end
end

state.entries, state.events = {}, {}

function state.next_entry()
  local last = state.entry_sequence or store.number(store.ACCOUNT, 'entries')
  state.entry_sequence = last + 1
  return state.entry_sequence
end

-- wallet, campaign, hold (16 bytes), amount, available, reason: '' if the kind has none.
function state.event(kind, wallet, campaign, hold, amount, available, reason)
  state.event_sequence = (state.event_sequence or store.number(store.ACCOUNT, 'events')) + 1
  local now = store.text(store.now)
  state.events[#state.events + 1] = {
    state.event_sequence,
    table.concat({ now, kind, wallet, campaign, amount, available, reason, hold }, '|'),
  }
end

-- Wallets: settled|held|overdraft limit|epoch|exhausted|since|refused price|below:armed,...
state.wallets = {}
state.WALLET = '^' .. string.rep('([^|]*)|', 7) .. '(.*)$'

function state.wallet_of(id)
  local wallet = state.wallets[id]
  if wallet ~= nil then return wallet end
  local packed = store.get(store.WALLETS, id)
  if not packed then return nil end
  local settled, held, limit, epoch, exhausted, since, refused, thresholds =
    string.match(packed, state.WALLET)
  wallet = {
    id = id, settled = tonumber(settled), held = tonumber(held), limit = tonumber(limit),
    epoch = tonumber(epoch), exhausted = exhausted == '1', since = tonumber(since),
    refused = tonumber(refused), thresholds = {},
  }
  for below, armed in string.gmatch(thresholds, '(%-?%d+):(%d)') do
    wallet.thresholds[#wallet.thresholds + 1] = { below = tonumber(below), armed = armed == '1' }
  end
  state.wallets[id] = wallet
  return wallet
end

function state.new_wallet(id)
  return {
    id = id, settled = 0, held = 0, limit = 0, epoch = 0, exhausted = false, since = 0,
    refused = 0, thresholds = {},
  }
end

function state.save_wallet(wallet)
  local thresholds = {}
  for i, threshold in ipairs(wallet.thresholds) do
    thresholds[i] = store.text(threshold.below) .. (threshold.armed and ':1' or ':0')
  end
  store.put(store.WALLETS, wallet.id, table.concat({
    store.text(wallet.settled), store.text(wallet.held), store.text(wallet.limit),
    store.text(wallet.epoch), wallet.exhausted and '1' or '0', store.text(wallet.since),
    store.text(wallet.refused), table.concat(thresholds, ','),
  }, '|'))
  wallet.changed = nil
end

function state.available(wallet)
  return store.clamp(wallet.settled + wallet.limit - wallet.held)
end

-- Campaigns: FIELD_CAMPAIGN = wallet|stop reason|since|epoch|budget|dedupe|exempt|spent|held; one
-- field each for the name, the accepted and the unknown; one for each rejection by its name, each
-- refusal by its code, and messages and credits of each <country><category>.
state.campaigns = {}
state.CAMPAIGN = '^' .. string.rep('([^|]*)|', 8) .. '([^|]*)$'

function state.campaign_of(id, key)
  local campaign = state.campaigns[id]
  if campaign ~= nil then return campaign or nil end
  key = key or store.name(N.campaign, id)
  local packed = store.get(key, FIELD_CAMPAIGN)
  if not packed then return nil end
  local wallet, reason, since, epoch, budget, dedupe, exempt, spent, held =
    string.match(packed, state.CAMPAIGN)
  campaign = {
    id = id, key = key, wallet = wallet, reason = reason, since = tonumber(since),
    epoch = tonumber(epoch), budget = tonumber(budget), dedupe = dedupe == '1',
    exempt = exempt == '1', spent = tonumber(spent), held = tonumber(held),
  }
  state.campaigns[id] = campaign
  return campaign
end

function state.save_campaign(campaign)
  store.put(campaign.key, FIELD_CAMPAIGN, table.concat({
    campaign.wallet, campaign.reason, store.text(campaign.since), store.text(campaign.epoch),
    campaign.budget and store.text(campaign.budget) or '', campaign.dedupe and '1' or '0',
    campaign.exempt and '1' or '0', store.text(campaign.spent), store.text(campaign.held),
  }, '|'))
  campaign.changed = nil
end

function state.add_campaign(id, key, index, called)
  local campaign = {
    id = id, key = key, wallet = '', reason = '', since = 0, epoch = 0, dedupe = false,
    exempt = false, spent = 0, held = 0, changed = true,
  }
  state.campaigns[id] = campaign
  store.put(key, FIELD_NAME, called)
  state.save_campaign(campaign)
  store.listed[#store.listed + 1] = { index, id }
  return campaign
end

-- nil if active, else the reason: one of its own, or its wallet's epoch.
function state.stopped_for(campaign)
  if campaign.reason ~= '' then return campaign.reason end
  local wallet = campaign.wallet ~= '' and state.wallet_of(campaign.wallet)
  if wallet and wallet.epoch ~= campaign.epoch then return REASON_CREDITS_EXHAUSTED end
  return nil
end

function state.save_all()
  for _, wallet in pairs(state.wallets) do
    if wallet.changed then state.save_wallet(wallet) end
  end
  for _, campaign in pairs(state.campaigns) do
    if campaign.changed then state.save_campaign(campaign) end
  end
end

-- Holds: 12 parts of text, then recipient (8 bytes), fingerprint (16) and key (16 or none).
state.HOLD = '^' .. string.rep('([^|]*)|', 12) .. '(.*)$'

function state.pack_hold(hold)
  return table.concat({
    store.text(hold.amount), hold.wallet, hold.campaign, hold.channel, hold.country,
    hold.category, hold.portfolio, hold.month, hold.cap_hit,
    (hold.deduped and FLAG_DEDUPED or '') .. (hold.guarding and FLAG_GUARDING or '') .. hold.doubt,
    hold.half_day, hold.reserved,
    hold.recipient .. hold.fingerprint .. hold.key,
  }, '|')
end

function state.unpack_hold(packed)
  local amount, wallet, campaign, channel, country, category, portfolio, month, cap_hit, flags,
    half_day, reserved, tail = string.match(packed, state.HOLD)
  return {
    amount = tonumber(amount), wallet = wallet, campaign = campaign, channel = channel,
    country = country, category = category, portfolio = portfolio, month = month,
    cap_hit = cap_hit, deduped = string.find(flags, FLAG_DEDUPED, 1, true) ~= nil,
    guarding = string.find(flags, FLAG_GUARDING, 1, true) ~= nil, half_day = half_day,
    doubt = string.match(flags, '%u') or '', reserved = reserved,
    recipient = string.sub(tail, 1, 8), fingerprint = string.sub(tail, 9, 24),
    key = string.sub(tail, 25),
  }
end

-- A hold's id begins with its own time in milliseconds.
function state.created_ms(id)
  local a, b, c, d, e, f = string.byte(id, 1, 6)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end

-- Open holds are in buckets by the second of their id, holds in doubt by the minute.
function state.open_second(id) return math.floor(state.created_ms(id) / 1000) end
function state.doubt_minute(id) return math.floor(state.created_ms(id) / 60000) end
function state.open_name(second) return store.name(N.open, second % N.open_buckets) end
function state.doubt_name(minute) return store.name(N.doubt, minute % N.doubt_buckets) end

-- The unresolved hold, or nil; its bucket and period show whether it is open or in doubt.
function state.find_hold(id, open_key, doubt_key)
  local packed = store.get(open_key, id)
  if packed then
    local hold = state.unpack_hold(packed)
    hold.bucket, hold.index, hold.period = open_key, store.OPEN_INDEX, state.open_second(id)
    return hold
  end
  packed = store.get(doubt_key, id)
  if not packed then return nil end
  local hold = state.unpack_hold(packed)
  hold.bucket, hold.index, hold.period = doubt_key, store.DOUBT_INDEX, state.doubt_minute(id)
  hold.in_doubt = true
  return hold
end

function state.remove_hold(id, hold)
  store.put(hold.bucket, id, false)
  store.count(hold.index, store.text(hold.period), -1)
end
