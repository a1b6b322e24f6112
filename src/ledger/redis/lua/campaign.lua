-- Campaigns: created, stopped, restarted by a person, finished; and their counts of rejections.
-- KEYS by index: campaign, and to create one its index. ARGV: create: id, name, wallet, budget,
-- dedupe, exempt, two key indexes; stop: id, reason, key index; restart, finish: id, key index;
-- count: id, rejection, by, key index. Reply: campaign: id, its wallet's epoch and time of
-- exhaustion, its fields | campaign exists, unknown, finished | wallet unknown, exhausted | out of
-- range | shortfall: needed, available | counted.

local campaigns = {}

-- A finished campaign's recipients are kept 30 days.
campaigns.SENT_KEPT_S = 2592000

function campaigns.add(id, key, index, called)
  local campaign = {
    id = id, key = key, wallet = '', reason = '', since = 0, epoch = 0, dedupe = false,
    exempt = false, spent = 0, held = 0, accepted = 0, unknown = 0, usage = {},
    changed = true, used = 0,
  }
  state.campaigns[id] = campaign
  store.put(key, FIELD_NAME, called)
  store.list(index, id)
  return campaign
end

-- nil if active, else the reason: one of its own, or its wallet's epoch.
function campaigns.stopped_for(campaign)
  if campaign.reason ~= '' then return campaign.reason end
  local wallet = campaign.wallet ~= '' and state.wallet_of(campaign.wallet)
  if wallet and wallet.epoch ~= campaign.epoch then return REASON_CREDITS_EXHAUSTED end
  return nil
end

function campaigns.stop_for(campaign, reason)
  campaign.reason, campaign.since, campaign.changed = reason, store.now, true
end

function campaigns.count_rejection(campaign, rejection, by)
  if not campaign then return end
  store.add(campaign.key, FIELD_REJECTED .. rejection, by)
  campaign.changed = true
end

function campaigns.end_for_good(campaign)
  campaigns.stop_for(campaign, REASON_FINISHED)
  if not campaign.dedupe then return end
  -- Nothing is added to them any more, and a finished campaign refuses before they are looked at.
  for i = 0, N.shards - 1 do
    store.expiring[store.name(N.sent, campaign.id, i)] = campaigns.SENT_KEPT_S
  end
end

-- Forgets a campaign with all it counted and, if it deduplicated, its recipients.
function campaigns.remove(campaign)
  local id = campaign.id
  state.campaigns[id] = false
  store.empty(campaign.key)
  store.unlist(state.used_on(campaign.used, id), id)
  store.unlist(store.name(N.campaign_index, store.part_of(id, N.campaign_indexes)), id)
  if not campaign.dedupe then return end
  for i = 0, N.shards - 1 do store.empty(store.name(N.sent, id, i)) end
end

-- The fields as stored, and its wallet's epoch and time of exhaustion, on which its state depends.
function campaigns.say(campaign)
  local wallet = campaign.wallet ~= '' and state.wallet_of(campaign.wallet)
  local fields, list = store.all(campaign.key), {}
  local changed = state.campaign_fields(campaign)
  for i = 1, #changed, 2 do fields[changed[i]] = changed[i + 1] end
  for field, value in pairs(fields) do
    list[#list + 1] = field
    list[#list + 1] = value
  end
  local epoch, since = wallet and wallet.epoch or '', wallet and wallet.since or ''
  state.say(V_CAMPAIGN, campaign.id, epoch, since, #list / 2, unpack(list))
end

-- Whether new campaigns without a wallet of their own wait for credits.
function campaigns.all_exhausted()
  local any = false
  for id in pairs(store.fields_of(store.WALLETS)) do
    if not state.wallet_of(id).exhausted then return false end
    any = true
  end
  return any
end

-- nil and the epoch with which the campaign begins, or the verdict if it may not begin.
function campaigns.check_create(wallet_id, budget)
  local epoch = 0
  if wallet_id ~= '' then
    local wallet = state.wallet_of(wallet_id)
    if not wallet then return V_WALLET_UNKNOWN end
    if wallet.exhausted then return V_WALLET_EXHAUSTED end
    epoch = wallet.epoch
  elseif campaigns.all_exhausted() then
    return V_WALLET_EXHAUSTED
  end
  if budget and budget < 0 then return V_OUT_OF_RANGE end
  return nil, epoch
end

function campaigns.create()
  local id, called, wallet_id, budget = args.text(), args.text(), args.text(), tonumber(args.text())
  local dedupe, exempt, key, index = args.flag(), args.flag(), args.key(), args.key()
  local found = state.campaign_of(id, key)
  if found then
    local same = store.get(key, FIELD_NAME) == called
      and (wallet_id == '' or found.wallet == wallet_id) and found.budget == budget
      and found.dedupe == dedupe and found.exempt == exempt
    if same then return campaigns.say(found) end
    return state.say(V_CAMPAIGN_EXISTS)
  end
  local refusal, epoch = campaigns.check_create(wallet_id, budget)
  if refusal then return state.say(refusal) end
  local campaign = campaigns.add(id, key, index, called)
  campaign.wallet, campaign.epoch, campaign.budget = wallet_id, epoch, budget
  campaign.dedupe, campaign.exempt = dedupe, exempt
  campaigns.say(campaign)
end

-- Stopping a campaign that was stopped for a reason of its own succeeds and changes nothing.
function campaigns.stop()
  local id, reason, key = args.text(), args.text(), args.key()
  local campaign = state.campaign_of(id, key)
  if not campaign then return state.say(V_CAMPAIGN_UNKNOWN) end
  if campaign.reason == REASON_FINISHED then return state.say(V_CAMPAIGN_FINISHED) end
  if campaign.reason == '' then
    campaigns.stop_for(campaign, reason)
    state.event(EVENT_CAMPAIGN_STOPPED, campaign.wallet, id, '', '', '', reason)
  end
  campaigns.say(campaign)
end

-- nil, or what is missing for the price at which the wallet's campaigns were stopped.
function campaigns.check_restart(campaign, wallet)
  if wallet and wallet.epoch ~= campaign.epoch and state.available(wallet) < wallet.refused then
    return { V_SHORTFALL, wallet.refused, state.available(wallet) }
  end
end

function campaigns.restart()
  local id, key = args.text(), args.key()
  local campaign = state.campaign_of(id, key)
  if not campaign then return state.say(V_CAMPAIGN_UNKNOWN) end
  if campaign.reason == REASON_FINISHED then return state.say(V_CAMPAIGN_FINISHED) end
  if not campaigns.stopped_for(campaign) then return campaigns.say(campaign) end
  local wallet = campaign.wallet ~= '' and state.wallet_of(campaign.wallet)
  local refusal = campaigns.check_restart(campaign, wallet)
  if refusal then return state.say(unpack(refusal)) end
  campaign.reason, campaign.since, campaign.epoch = '', 0, wallet and wallet.epoch or 0
  campaign.changed = true
  state.event(EVENT_CAMPAIGN_RESTARTED, campaign.wallet, id, '', '', '', '')
  campaigns.say(campaign)
end

function campaigns.finish()
  local id, key = args.text(), args.key()
  local campaign = state.campaign_of(id, key)
  if not campaign then return state.say(V_CAMPAIGN_UNKNOWN) end
  if campaign.reason ~= REASON_FINISHED then campaigns.end_for_good(campaign) end
  campaigns.say(campaign)
end

function campaigns.count()
  local id, rejection, by, key = args.text(), args.text(), args.number(), args.key()
  campaigns.count_rejection(state.campaign_of(id, key), rejection, by)
  state.say(V_COUNTED)
end
