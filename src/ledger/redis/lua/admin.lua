-- What people do: top-ups and adjustments, wallets, settings documents, campaigns. KEYS by index:
-- references of the wallet, a document's shard, campaign, campaign index. ARGV: as each function
-- takes them. Reply: 10 repeated, the entry | 11 | 12 | 13 | 14 needed available | 15 wallet | 16
-- campaign | 17 | 18 | 19 | 20 | 21 changed version | 22.

local admin = {}

admin.MAX_THRESHOLDS = 16

function admin.in_range(settled, limit)
  return settled <= store.MAX and settled >= -store.MAX and settled + limit <= store.MAX
end

-- References: sequence|time|kind|amount|balance after|reason.
function admin.post(kind, wallet_id, amount, reference, reason, key)
  local wallet = state.wallet_of(wallet_id)
  if not wallet then return state.say(12) end
  local found = store.get(key, reference)
  if found then
    local sequence, at, of, moved, balance, why = string.match(found, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
    if of ~= kind or tonumber(moved) ~= amount or why ~= reason then return state.say(11) end
    sequence, at, balance = tonumber(sequence), tonumber(at), tonumber(balance)
    return state.say(10, 1, sequence, at, wallet_id, kind, amount, balance, reference, reason)
  end
  if not admin.in_range(wallet.settled + amount, wallet.limit) then return state.say(13) end
  local left = state.available(wallet)
  if amount < 0 and left + amount < 0 then return state.say(14, -amount, left) end
  wallet.settled, wallet.changed = wallet.settled + amount, true
  if amount > 0 then wallet.exhausted = false end
  local sequence = state.next_entry()
  state.entries[#state.entries + 1] = table.concat({
    wallet_id, kind, store.text(amount), store.text(wallet.settled), store.text(#reference), reference .. reason,
  }, '|')
  store.put(key, reference, table.concat({
    store.text(sequence), store.text(store.now), kind, store.text(amount), store.text(wallet.settled), reason,
  }, '|'))
  if amount > 0 then state.arm_thresholds(wallet) else state.warn_when_low(wallet) end
  state.say(10, 0, sequence, store.now, wallet_id, kind, amount, wallet.settled, reference, reason)
end

function admin.top_up()
  local wallet, amount, reference, key = reserve.take(), reserve.take_number(), reserve.take(), reserve.take_key()
  if amount <= 0 then return state.say(13) end
  admin.post('top_up', wallet, amount, reference, '', key)
end

function admin.adjust()
  local wallet, amount, reference = reserve.take(), reserve.take_number(), reserve.take()
  local reason, key = reserve.take(), reserve.take_key()
  if amount == 0 then return state.say(13) end
  admin.post('adjustment', wallet, amount, reference, reason, key)
end

function admin.take_thresholds()
  local given = reserve.take()
  if given == 'same' then return nil end
  local list = {}
  for below in string.gmatch(given, '%-?%d+') do list[#list + 1] = tonumber(below) end
  return list
end

function admin.say_wallet(wallet)
  local thresholds = {}
  for i, threshold in ipairs(wallet.thresholds) do thresholds[i] = store.text(threshold.below) end
  local exhausted = wallet.exhausted and 1 or 0
  state.say(15, wallet.id, wallet.settled, wallet.held, wallet.limit, exhausted, table.concat(thresholds, ','))
end

function admin.put_wallet()
  local id, limit, thresholds = reserve.take(), reserve.take(), admin.take_thresholds()
  local wallet = state.wallet_of(id) or state.new_wallet(id)
  if thresholds and #thresholds > admin.MAX_THRESHOLDS then return state.say(13) end
  if limit ~= '' then
    limit = tonumber(limit)
    if limit < 0 or not admin.in_range(wallet.settled, limit) then return state.say(13) end
    local left, raised, needed = state.available(wallet), limit > wallet.limit, wallet.limit - limit
    if not raised and left < needed then return state.say(14, needed, left) end
    wallet.limit, wallet.exhausted = limit, wallet.exhausted and not raised
  end
  if thresholds then
    local left = state.available(wallet)
    wallet.thresholds = {}
    for i, below in ipairs(thresholds) do wallet.thresholds[i] = { below = below, armed = left >= below } end
  end
  state.wallets[id] = wallet
  state.arm_thresholds(wallet)
  state.warn_when_low(wallet)
  state.save_wallet(wallet)
  admin.say_wallet(wallet)
end

function admin.say_document(changed)
  state.say(21, changed and 1 or 0, store.number(store.ACCOUNT, 'settings'))
end

function admin.put_document()
  local id, body, only_if_absent, key = reserve.take(), reserve.take(), reserve.take() == '1', reserve.take_key()
  local found = store.get(key, id)
  if found and (only_if_absent or found == body) then return admin.say_document(false) end
  store.put(key, id, body)
  store.put(store.ACCOUNT, 'settings', store.text(store.number(store.ACCOUNT, 'settings') + 1))
  admin.say_document(true)
end

function admin.delete_document()
  local id, key = reserve.take(), reserve.take_key()
  if not store.get(key, id) then return admin.say_document(false) end
  store.put(key, id, false)
  store.put(store.ACCOUNT, 'settings', store.text(store.number(store.ACCOUNT, 'settings') + 1))
  admin.say_document(true)
end

-- The fields as stored, and its wallet's epoch and time of exhaustion, which its state hangs on.
function admin.say_campaign(campaign)
  state.save_campaign(campaign)
  local wallet = campaign.wallet ~= '' and state.wallet_of(campaign.wallet)
  local list = {}
  for field, value in pairs(store.all(campaign.key)) do
    list[#list + 1] = field
    list[#list + 1] = value
  end
  state.say(16, campaign.id, wallet and wallet.epoch or '', wallet and wallet.since or '', #list / 2)
  for _, part in ipairs(list) do state.say(part) end
end

-- Do new campaigns without a wallet of their own wait for credits?
function admin.all_exhausted()
  local any = false
  for id in pairs(store.fields_of(store.WALLETS)) do
    if not state.wallet_of(id).exhausted then return false end
    any = true
  end
  return any
end

function admin.create_campaign()
  local id, called, wallet_id, budget = reserve.take(), reserve.take(), reserve.take(), tonumber(reserve.take())
  local dedupe, exempt = reserve.take() == '1', reserve.take() == '1'
  local key, index = reserve.take_key(), reserve.take_key()
  local found = state.campaign_of(id, key)
  if found then
    local same = store.get(key, 'n') == called and (wallet_id == '' or found.wallet == wallet_id)
      and found.budget == budget and found.dedupe == dedupe and found.exempt == exempt
    if same then return admin.say_campaign(found) end
    return state.say(17)
  end
  local epoch = 0
  if wallet_id ~= '' then
    local wallet = state.wallet_of(wallet_id)
    if not wallet then return state.say(12) end
    if wallet.exhausted then return state.say(20) end
    epoch = wallet.epoch
  elseif admin.all_exhausted() then
    return state.say(20)
  end
  if budget and budget < 0 then return state.say(13) end
  local campaign = state.add_campaign(id, key, index, called)
  campaign.wallet, campaign.epoch, campaign.budget = wallet_id, epoch, budget
  campaign.dedupe, campaign.exempt = dedupe, exempt
  admin.say_campaign(campaign)
end

-- Stopping a campaign that was stopped for a reason of its own succeeds and changes nothing.
function admin.stop_campaign()
  local id, reason, key = reserve.take(), reserve.take(), reserve.take_key()
  local campaign = state.campaign_of(id, key)
  if not campaign then return state.say(18) end
  if campaign.reason == 'finished' then return state.say(19) end
  if campaign.reason == '' then
    state.stop(campaign, reason)
    state.event('campaign_stopped', campaign.wallet, id, '', '', '', reason)
  end
  admin.say_campaign(campaign)
end

function admin.restart_campaign()
  local id, key = reserve.take(), reserve.take_key()
  local campaign = state.campaign_of(id, key)
  if not campaign then return state.say(18) end
  if campaign.reason == 'finished' then return state.say(19) end
  if not state.stopped_for(campaign) then return admin.say_campaign(campaign) end
  local wallet = campaign.wallet ~= '' and state.wallet_of(campaign.wallet)
  if wallet and wallet.epoch ~= campaign.epoch and state.available(wallet) < wallet.refused then
    return state.say(14, wallet.refused, state.available(wallet))
  end
  campaign.reason, campaign.since, campaign.epoch = '', 0, wallet and wallet.epoch or 0
  state.event('campaign_restarted', campaign.wallet, id, '', '', '', '')
  admin.say_campaign(campaign)
end

function admin.finish_campaign()
  local id, key = reserve.take(), reserve.take_key()
  local campaign = state.campaign_of(id, key)
  if not campaign then return state.say(18) end
  if campaign.reason ~= 'finished' then
    state.stop(campaign, 'finished')
    if campaign.dedupe then
      -- Nothing is added to them any more, and a finished campaign refuses before they are looked
      -- at.
      for i = 0, N.shards - 1 do store.expiring[store.name(N.sent, id, i)] = 2592000 end
    end
  end
  admin.say_campaign(campaign)
end

function admin.count_rejections()
  local id, rejection, by, key = reserve.take(), reserve.take(), reserve.take_number(), reserve.take_key()
  reserve.count_rejection(state.campaign_of(id, key), rejection, by)
  state.say(22)
end
