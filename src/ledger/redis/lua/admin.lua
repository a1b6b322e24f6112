-- What people do: top-ups and adjustments, wallets, settings documents, campaigns.
-- KEYS by index: references of the wallet, a document's shard, campaign, campaign index.
-- ARGV: as each function takes them. Reply: 10 repeated, the entry | 11 | 12 | 13 | 14 needed available | 15 wallet |
-- 16 campaign | 17 | 18 | 19 | 20 | 21 changed version | 22.

local MAX_THRESHOLDS = 16

local function in_range(settled, limit)
  return settled <= MAX and settled >= -MAX and settled + limit <= MAX
end

-- References: sequence|time|kind|amount|balance after|reason.
local function post(kind, wallet_id, amount, reference, reason, key)
  local wallet = wallet_of(wallet_id)
  if not wallet then return say(12) end
  local found = get(key, reference)
  if found then
    local sequence, at, of, moved, balance, why = string.match(found, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
    if of ~= kind or tonumber(moved) ~= amount or why ~= reason then return say(11) end
    return say(10, 1, tonumber(sequence), tonumber(at), wallet_id, kind, amount, tonumber(balance), reference, reason)
  end
  if not in_range(wallet.settled + amount, wallet.limit) then return say(13) end
  local left = available(wallet)
  if amount < 0 and left + amount < 0 then return say(14, -amount, left) end
  wallet.settled, wallet.changed = wallet.settled + amount, true
  if amount > 0 then wallet.exhausted = false end
  local sequence = next_entry()
  entries[#entries + 1] = table.concat({
    wallet_id, kind, text(amount), text(wallet.settled), text(#reference), reference .. reason,
  }, '|')
  put(key, reference, table.concat({ text(sequence), text(now), kind, text(amount), text(wallet.settled), reason }, '|'))
  if amount > 0 then arm_thresholds(wallet) else warn_when_low(wallet) end
  say(10, 0, sequence, now, wallet_id, kind, amount, wallet.settled, reference, reason)
end

local function top_up()
  local wallet, amount, reference, key = take(), take_number(), take(), take_key()
  if amount <= 0 then return say(13) end
  post('top_up', wallet, amount, reference, '', key)
end

local function adjust()
  local wallet, amount, reference, reason, key = take(), take_number(), take(), take(), take_key()
  if amount == 0 then return say(13) end
  post('adjustment', wallet, amount, reference, reason, key)
end

local function take_thresholds()
  local given = take()
  if given == 'same' then return nil end
  local list = {}
  for below in string.gmatch(given, '%-?%d+') do list[#list + 1] = tonumber(below) end
  return list
end

local function say_wallet(wallet)
  local thresholds = {}
  for i, threshold in ipairs(wallet.thresholds) do thresholds[i] = text(threshold.below) end
  say(15, wallet.id, wallet.settled, wallet.held, wallet.limit, wallet.exhausted and 1 or 0, table.concat(thresholds, ','))
end

local function put_wallet()
  local id, limit, thresholds = take(), take(), take_thresholds()
  local wallet = wallet_of(id) or new_wallet(id)
  if thresholds and #thresholds > MAX_THRESHOLDS then return say(13) end
  if limit ~= '' then
    limit = tonumber(limit)
    if limit < 0 or not in_range(wallet.settled, limit) then return say(13) end
    local left, raised, needed = available(wallet), limit > wallet.limit, wallet.limit - limit
    if not raised and left < needed then return say(14, needed, left) end
    wallet.limit, wallet.exhausted = limit, wallet.exhausted and not raised
  end
  if thresholds then
    local left = available(wallet)
    wallet.thresholds = {}
    for i, below in ipairs(thresholds) do wallet.thresholds[i] = { below = below, armed = left >= below } end
  end
  wallets[id] = wallet
  arm_thresholds(wallet)
  warn_when_low(wallet)
  save_wallet(wallet)
  say_wallet(wallet)
end

local function say_document(changed)
  say(21, changed and 1 or 0, number(ACCOUNT, 'settings'))
end

local function put_document()
  local id, body, only_if_absent, key = take(), take(), take() == '1', take_key()
  local found = get(key, id)
  if found and (only_if_absent or found == body) then return say_document(false) end
  put(key, id, body)
  put(ACCOUNT, 'settings', text(number(ACCOUNT, 'settings') + 1))
  say_document(true)
end

local function delete_document()
  local id, key = take(), take_key()
  if not get(key, id) then return say_document(false) end
  put(key, id, false)
  put(ACCOUNT, 'settings', text(number(ACCOUNT, 'settings') + 1))
  say_document(true)
end

-- The fields as stored, and its wallet's epoch and time of exhaustion, which its state hangs on.
local function say_campaign(campaign)
  save_campaign(campaign)
  local wallet = campaign.wallet ~= '' and wallet_of(campaign.wallet)
  local list = {}
  for field, value in pairs(all(campaign.key)) do
    list[#list + 1] = field
    list[#list + 1] = value
  end
  say(16, campaign.id, wallet and wallet.epoch or '', wallet and wallet.since or '', #list / 2)
  for _, part in ipairs(list) do say(part) end
end

-- Do new campaigns without a wallet of their own wait for credits?
local function all_exhausted()
  local any = false
  for id in pairs(fields_of(WALLETS)) do
    if not wallet_of(id).exhausted then return false end
    any = true
  end
  return any
end

local function create_campaign()
  local id, called, wallet_id, budget = take(), take(), take(), tonumber(take())
  local dedupe, exempt, key, index = take() == '1', take() == '1', take_key(), take_key()
  local found = campaign_of(id, key)
  if found then
    local same = get(key, 'n') == called and (wallet_id == '' or found.wallet == wallet_id) and found.budget == budget
      and found.dedupe == dedupe and found.exempt == exempt
    if same then return say_campaign(found) end
    return say(17)
  end
  local epoch = 0
  if wallet_id ~= '' then
    local wallet = wallet_of(wallet_id)
    if not wallet then return say(12) end
    if wallet.exhausted then return say(20) end
    epoch = wallet.epoch
  elseif all_exhausted() then
    return say(20)
  end
  if budget and budget < 0 then return say(13) end
  local campaign = add_campaign(id, key, index, called)
  campaign.wallet, campaign.epoch, campaign.budget = wallet_id, epoch, budget
  campaign.dedupe, campaign.exempt = dedupe, exempt
  say_campaign(campaign)
end

-- Stopping a campaign that was stopped for a reason of its own succeeds and changes nothing.
local function stop_campaign()
  local id, reason, key = take(), take(), take_key()
  local campaign = campaign_of(id, key)
  if not campaign then return say(18) end
  if campaign.reason == 'finished' then return say(19) end
  if campaign.reason == '' then
    stop(campaign, reason)
    event('campaign_stopped', campaign.wallet, id, '', '', '', reason)
  end
  say_campaign(campaign)
end

local function restart_campaign()
  local id, key = take(), take_key()
  local campaign = campaign_of(id, key)
  if not campaign then return say(18) end
  if campaign.reason == 'finished' then return say(19) end
  if not stopped_for(campaign) then return say_campaign(campaign) end
  local wallet = campaign.wallet ~= '' and wallet_of(campaign.wallet)
  if wallet and wallet.epoch ~= campaign.epoch and available(wallet) < wallet.refused then
    return say(14, wallet.refused, available(wallet))
  end
  campaign.reason, campaign.since, campaign.epoch = '', 0, wallet and wallet.epoch or 0
  event('campaign_restarted', campaign.wallet, id, '', '', '', '')
  say_campaign(campaign)
end

local function finish_campaign()
  local id, key = take(), take_key()
  local campaign = campaign_of(id, key)
  if not campaign then return say(18) end
  if campaign.reason ~= 'finished' then
    stop(campaign, 'finished')
    if campaign.dedupe then
      -- Nothing is added to them any more, and a finished campaign refuses before they are looked at.
      for i = 0, N.shards - 1 do expiring[name(N.sent, id, i)] = 2592000 end
    end
  end
  say_campaign(campaign)
end

local function count_rejections()
  local id, rejection, by, key = take(), take(), take_number(), take_key()
  count_rejection(campaign_of(id, key), rejection, by)
  say(22)
end
