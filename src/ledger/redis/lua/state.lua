-- Wallets, campaigns and holds as tables, and what a run tells: statement entries and events.
-- KEYS: of store.lua. ARGV: none. Reply: none; `say` gathers the verdicts.

local out = {}

local function say(...)
  for i = 1, select('#', ...) do out[#out + 1] = (select(i, ...)) end
end

local entries, events = {}, {}
local entry_sequence, event_sequence

local function next_entry()
  entry_sequence = (entry_sequence or number(ACCOUNT, 'entries')) + 1
  return entry_sequence
end

-- wallet, campaign, hold (16 bytes), amount, available, reason: '' where the kind has none.
local function event(kind, wallet, campaign, hold, amount, available, reason)
  event_sequence = (event_sequence or number(ACCOUNT, 'events')) + 1
  events[#events + 1] = {
    event_sequence, table.concat({ text(now), kind, wallet, campaign, amount, available, reason, hold }, '|'),
  }
end

-- Wallets: settled|held|overdraft limit|epoch|exhausted|since|refused price|below:armed,...
local wallets = {}

local function wallet_of(id)
  local wallet = wallets[id]
  if wallet ~= nil then return wallet end
  local packed = get(WALLETS, id)
  if not packed then return nil end
  local settled, held, limit, epoch, exhausted, since, refused, thresholds =
    string.match(packed, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  wallet = {
    id = id, settled = tonumber(settled), held = tonumber(held), limit = tonumber(limit), epoch = tonumber(epoch),
    exhausted = exhausted == '1', since = tonumber(since), refused = tonumber(refused), thresholds = {},
  }
  for below, armed in string.gmatch(thresholds, '(%-?%d+):(%d)') do
    wallet.thresholds[#wallet.thresholds + 1] = { below = tonumber(below), armed = armed == '1' }
  end
  wallets[id] = wallet
  return wallet
end

local function new_wallet(id)
  return {
    id = id, settled = 0, held = 0, limit = 0, epoch = 0, exhausted = false, since = 0, refused = 0, thresholds = {},
  }
end

local function save_wallet(wallet)
  local thresholds = {}
  for i, threshold in ipairs(wallet.thresholds) do
    thresholds[i] = text(threshold.below) .. (threshold.armed and ':1' or ':0')
  end
  put(WALLETS, wallet.id, table.concat({
    text(wallet.settled), text(wallet.held), text(wallet.limit), text(wallet.epoch), wallet.exhausted and '1' or '0',
    text(wallet.since), text(wallet.refused), table.concat(thresholds, ','),
  }, '|'))
  wallet.changed = nil
end

local function available(wallet)
  return clamp(wallet.settled + wallet.limit - wallet.held)
end

local function warn_when_low(wallet)
  local left = available(wallet)
  for _, threshold in ipairs(wallet.thresholds) do
    if threshold.armed and left < threshold.below then
      threshold.armed = false
      event('low_balance', wallet.id, '', '', text(threshold.below), text(left), '')
    end
  end
end

-- Only money coming in arms a threshold again, so that holds taken and given back make no noise.
local function arm_thresholds(wallet)
  local left = available(wallet)
  for _, threshold in ipairs(wallet.thresholds) do
    if left >= threshold.below then threshold.armed = true end
  end
end

-- Campaigns: field v = wallet|stop reason|since|epoch|budget|dedupe|exempt|spent|held; n = name; a, k = accepted,
-- unknown; x:<name> = rejections; f:<code> = refusals; m:, c: <country><category> = messages, credits.
local campaigns = {}

local function campaign_of(id, key)
  local campaign = campaigns[id]
  if campaign ~= nil then return campaign or nil end
  key = key or name(N.campaign, id)
  local packed = get(key, 'v')
  if not packed then return nil end
  local wallet, reason, since, epoch, budget, dedupe, exempt, spent, held =
    string.match(packed, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$')
  campaign = {
    id = id, key = key, wallet = wallet, reason = reason, since = tonumber(since), epoch = tonumber(epoch),
    budget = tonumber(budget), dedupe = dedupe == '1', exempt = exempt == '1', spent = tonumber(spent),
    held = tonumber(held),
  }
  campaigns[id] = campaign
  return campaign
end

local function save_campaign(campaign)
  put(campaign.key, 'v', table.concat({
    campaign.wallet, campaign.reason, text(campaign.since), text(campaign.epoch),
    campaign.budget and text(campaign.budget) or '', campaign.dedupe and '1' or '0', campaign.exempt and '1' or '0',
    text(campaign.spent), text(campaign.held),
  }, '|'))
  campaign.changed = nil
end

local function add_campaign(id, key, index, called)
  local campaign = {
    id = id, key = key, wallet = '', reason = '', since = 0, epoch = 0, dedupe = false, exempt = false, spent = 0,
    held = 0, changed = true,
  }
  campaigns[id] = campaign
  put(key, 'n', called)
  save_campaign(campaign)
  listed[#listed + 1] = { index, id }
  return campaign
end

local function stop(campaign, reason)
  campaign.reason, campaign.since, campaign.changed = reason, now, true
end

-- active, stopped by a reason of its own, or by its wallet's epoch.
local function stopped_for(campaign)
  if campaign.reason ~= '' then return campaign.reason, campaign.since end
  local wallet = campaign.wallet ~= '' and wallet_of(campaign.wallet)
  if wallet and wallet.epoch ~= campaign.epoch then return 'credits_exhausted', wallet.since end
  return nil
end

local function save_all()
  for _, wallet in pairs(wallets) do
    if wallet.changed then save_wallet(wallet) end
  end
  for _, campaign in pairs(campaigns) do
    if campaign.changed then save_campaign(campaign) end
  end
end

-- Holds: 12 parts of text, then recipient (8 bytes), fingerprint (16) and key (16 or none).
local HOLD = '^' .. string.rep('([^|]*)|', 12) .. '(.*)$'

local function pack_hold(hold)
  return table.concat({
    text(hold.amount), hold.wallet, hold.campaign, hold.channel, hold.country, hold.category, hold.portfolio, hold.month,
    hold.mark, (hold.deduped and 'd' or '') .. (hold.guarding and 'g' or ''), hold.half_day, hold.reserved,
    hold.recipient .. hold.fingerprint .. hold.key,
  }, '|')
end

local function unpack_hold(packed)
  local amount, wallet, campaign, channel, country, category, portfolio, month, mark, flags, half_day, reserved, tail =
    string.match(packed, HOLD)
  return {
    amount = tonumber(amount), wallet = wallet, campaign = campaign, channel = channel, country = country,
    category = category, portfolio = portfolio, month = month, mark = mark,
    deduped = string.find(flags, 'd', 1, true) ~= nil, guarding = string.find(flags, 'g', 1, true) ~= nil,
    half_day = half_day, reserved = reserved, recipient = string.sub(tail, 1, 8), fingerprint = string.sub(tail, 9, 24),
    key = string.sub(tail, 25),
  }
end

-- A hold's id begins with its own time in milliseconds.
local function created_ms(id)
  local a, b, c, d, e, f = string.byte(id, 1, 6)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end

local function open_slot(id) return math.floor(created_ms(id) / 1000) end
local function doubt_slot(id) return math.floor(created_ms(id) / 60000) end
local function open_name(slot) return name(N.open, slot % N.open_buckets) end
local function doubt_name(slot) return name(N.doubt, slot % N.doubt_buckets) end

-- Answers the hold; its bucket and slot say whether it is open or in doubt.
local function find_hold(id, open_key, doubt_key)
  local packed = get(open_key, id)
  if packed then
    local hold = unpack_hold(packed)
    hold.bucket, hold.index, hold.slot = open_key, OPEN_INDEX, open_slot(id)
    return hold
  end
  packed = get(doubt_key, id)
  if not packed then return nil end
  local hold = unpack_hold(packed)
  hold.bucket, hold.index, hold.slot, hold.in_doubt = doubt_key, DOUBT_INDEX, doubt_slot(id), true
  return hold
end

local function remove_hold(id, hold)
  put(hold.bucket, id, false)
  count(hold.index, text(hold.slot), -1)
end
