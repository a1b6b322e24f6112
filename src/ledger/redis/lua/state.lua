-- Wallets, campaigns and portfolios as tables, and what a run reports: verdicts, statement entries
-- and events. KEYS: of store.lua. ARGV: none. Reply: none; `say` gathers the verdicts.

local state = {}

state.DAY_MS = 86400000
state.MANY_ROWS = 16 -- of usage in a batch

function state.begin()
  state.out, state.entries, state.events = {}, {}, {}
  state.entry_sequence, state.event_sequence = nil, nil
  state.wallets, state.campaigns, state.portfolios = {}, {}, {}
  -- Usage of the days: day -> channel|<country><category> -> messages and credits.
  state.usage = {}
  state.charges = nil -- those that follow each other make one statement entry
  state.amounts = {}  -- by their eight bytes
  -- Raised by whatever may change what is plain: see plain.lua.
  state.turn = 1
end

-- A verdict: its code, then each value as a text with its length.
function state.say(code, ...)
  local out = state.out
  out[#out + 1] = char(code)
  for i = 1, select('#', ...) do
    local value = (select(i, ...))
    if type(value) == 'number' then value = store.text(value) end
    out[#out + 1] = pack('>I4', #value)
    out[#out + 1] = value
  end
end

-- The verdict on a send that may go: what is held, what is left in the wallet (none on external
-- channels), the limit that would have refused it or ''.
function state.say_reserved(amount, wallet, left, observed)
  local out = state.out
  out[#out + 1] = pack('>Bi8Bi8B', V_RESERVED, amount, wallet and 1 or 0, wallet and left or 0,
    #observed) .. observed
  if wallet then wallet.said = left end
end

-- The amount of eight bytes.
function state.amount(text)
  local amount = state.amounts[text]
  if not amount then
    amount = read('>i8', text)
    state.amounts[text] = amount
  end
  return amount
end

-- The number of the last entry, gathered charges not counted.
function state.last_entry()
  return state.entry_sequence or store.number(store.ACCOUNT, 'entries')
end

function state.next_entry()
  state.end_charges()
  state.entry_sequence = state.last_entry() + 1
  return state.entry_sequence
end

-- Charges are gathered while they are of one block, wallet and campaign and follow each other; of
-- each only what differs is kept.
function state.begin_charges(names, prefix, settled)
  state.end_charges()
  state.charges = {
    names = names, prefix = prefix, before = settled, settled = settled, size = 0,
  }
  return state.charges
end

function state.end_charges()
  local charges = state.charges
  if not charges then return end
  local entry = pack('>Bi8', ENTRY_IS_CHARGES, charges.before) .. charges.prefix
    .. char(#charges.names) .. charges.names .. table.concat(charges)
  state.entries[#state.entries + 1] = pack('>I2', #entry) .. entry
  state.entry_sequence = state.last_entry() + charges.size / 3
  state.charges = nil
end

-- Adds an entry of another kind, which `packed` begins with, under the number that was taken last.
function state.add_entry(packed)
  state.entries[#state.entries + 1] = pack('>I2', #packed) .. packed
end

-- wallet, campaign, hold (16 bytes), amount, available, reason: '' if the kind has none.
function state.event(kind, wallet, campaign, hold, amount, available, reason)
  state.event_sequence = (state.event_sequence or store.number(store.ACCOUNT, 'events')) + 1
  store.put(store.name(N.event_days), store.text(state.today()), store.text(state.event_sequence))
  local now = store.text(store.now)
  state.events[#state.events + 1] = {
    state.event_sequence,
    table.concat({ now, kind, wallet, campaign, amount, available, reason, hold }, '|'),
  }
end

-- Wallets: settled, held, overdraft limit, epoch, since, refused price, whether exhausted; then
-- below:armed,...
state.WALLET = '>i8i8i8i8i8i8B'

function state.wallet_of(id)
  local wallet = state.wallets[id]
  if wallet ~= nil then return wallet end
  local packed = store.get(store.WALLETS, id)
  if not packed then return nil end
  local settled, held, limit, epoch, since, refused, exhausted, at = read(state.WALLET, packed)
  wallet = {
    id = id, settled = settled, held = held, limit = limit, epoch = epoch,
    exhausted = exhausted == 1, since = since, refused = refused, thresholds = {},
  }
  if at <= #packed then
    for below, armed in string.gmatch(sub(packed, at), '(%-?%d+):(%d)') do
      wallet.thresholds[#wallet.thresholds + 1] = { below = tonumber(below), armed = armed == '1' }
    end
  end
  state.wallets[id] = wallet
  return wallet
end

function state.pack_wallet(wallet)
  local packed = pack(state.WALLET, wallet.settled, wallet.held, wallet.limit, wallet.epoch,
    wallet.since, wallet.refused, wallet.exhausted and 1 or 0)
  for i, threshold in ipairs(wallet.thresholds) do
    packed = packed .. (i > 1 and ',' or '') .. store.text(threshold.below)
      .. (threshold.armed and ':1' or ':0')
  end
  return packed
end

function state.available(wallet)
  return clamp(wallet.settled + wallet.limit - wallet.held)
end

-- Campaigns: FIELD_USED = the day (UTC) it was last sent to or changed, by which it is listed;
-- FIELD_CAMPAIGN = since, epoch, budget, spent, held, accepted, unknown, flags, length
-- of the wallet's id, wallet, stop reason; a field for the name; one for each rejection by its
-- name, each refusal by its code, and messages and credits of each <country><category>.
state.CAMPAIGN = '>i8i8i8i8i8i8i8BBBBc0'

function state.campaign_of(id, key)
  local campaign = state.campaigns[id]
  if campaign ~= nil then return campaign or nil end
  key = key or store.name(N.campaign, id)
  local found = not store.emptied[key] and call('HMGET', key, FIELD_CAMPAIGN, FIELD_USED)
  local packed = found and found[1]
  if not packed then
    state.campaigns[id] = false
    return nil
  end
  local since, epoch, budget, spent, held, accepted, unknown, budgeted, dedupe, exempt, wallet, at =
    read(state.CAMPAIGN, packed)
  campaign = {
    id = id, key = key, wallet = wallet, reason = sub(packed, at), since = since, epoch = epoch,
    budget = budgeted == 1 and budget or nil, dedupe = dedupe == 1, exempt = exempt == 1,
    spent = spent, held = held, accepted = accepted, unknown = unknown, usage = {},
    used = tonumber(found[2] or '0'),
  }
  state.campaigns[id] = campaign
  return campaign
end

function state.pack_campaign(campaign)
  return pack(state.CAMPAIGN, campaign.since, campaign.epoch, campaign.budget or 0, campaign.spent,
    campaign.held, campaign.accepted, campaign.unknown, campaign.budget and 1 or 0,
    campaign.dedupe and 1 or 0, campaign.exempt and 1 or 0, #campaign.wallet, campaign.wallet)
    .. campaign.reason
end

-- Fields and values of pairs of messages and credits with what this run adds, behind those that are
-- to be written with them: one call reads all pairs.
function state.add_pairs(values, key, prefix, usage)
  local fields, uses, count = {}, {}, 0
  for row, use in pairs(usage) do
    count = count + 1
    fields[count], uses[count] = prefix .. row, use
  end
  local found = store.emptied[key] and {} or call('HMGET', key, unpack(fields))
  local at = #values
  for i = 1, count do
    local messages, credits, use = 0, 0, uses[i]
    if found[i] then messages, credits = read('>i8i8', found[i]) end
    values[at + 1] = fields[i]
    values[at + 2] =
      pack('>i8i8', messages + use.messages, clamp(credits + use.credits))
    at = at + 2
  end
  return values
end

-- The name of what is kept of one day.
function state.dated(kind, day)
  return store.PREFIX .. kind .. store.text(day % N.days)
end

-- Days since 1970 in UTC.
function state.today()
  return floor(store.now / state.DAY_MS)
end

-- A new row: what a campaign counts by is the end of a day's.
function state.row(usage, row)
  local use = { messages = 0, credits = 0, sort = sub(row, -3) }
  usage[row] = use
  return use
end

-- Counts so many messages; `usage` has messages and credits by row.
function state.use(usage, row, amount, messages)
  local use = usage[row] or state.row(usage, row)
  use.messages, use.credits = use.messages + messages, use.credits + amount
  return use.sort
end

-- Portfolios: the messaging limit's window, as window.lua describes its counts.
function state.portfolio_of(id, key)
  local portfolio = state.portfolios[id]
  if portfolio then return portfolio end
  key = key or store.name(N.counts, id)
  local found = call('HMGET', key, 'taken', 'expired', 'number')
  portfolio = {
    id = id, key = key, taken = tonumber(found[1] or 0), closed = 0,
    expired = tonumber(found[2] or nil), number = tonumber(found[3] or 0), changed = false,
  }
  if portfolio.number == 0 then
    portfolio.number = store.number(store.ACCOUNT, 'portfolios') + 1
    store.put(store.ACCOUNT, 'portfolios', store.text(portfolio.number))
    store.put(key, 'number', store.text(portfolio.number))
  end
  state.portfolios[id] = portfolio
  return portfolio
end

-- Recipients without an open send are counted by the minute of their last accepted one.
function state.fold_portfolio(portfolio)
  if portfolio.closed > 0 then
    store.count(portfolio.key, store.text(floor(store.now / 60000)), portfolio.closed)
    portfolio.closed = 0
  end
  if portfolio.changed then
    store.put(portfolio.key, 'taken', store.text(portfolio.taken))
    portfolio.changed = nil
  end
end

-- A small hash is a list to Redis, searched from its begin for each field; one long value makes it
-- a table.
function state.make_table(values, key)
  if call('HEXISTS', key, FIELD_TABLE) == 1 then return end
  values[#values + 1], values[#values + 2] = FIELD_TABLE, string.rep('-', 65)
end

-- A campaign's fields as they are after this run.
function state.campaign_fields(campaign)
  local values = { FIELD_CAMPAIGN, state.pack_campaign(campaign) }
  if next(campaign.usage) then
    state.add_pairs(values, campaign.key, FIELD_USAGE, campaign.usage)
  end
  return values
end

-- The list of campaigns that were last used on a day has parts: there may be many.
function state.used_on(day, id)
  return state.dated(N.campaign_days, day) .. ':' .. store.part_of(id, N.campaign_parts)
end

-- Moves a campaign to today's list, unless it was used today before.
function state.use_campaign(campaign)
  local today = state.today()
  if campaign.used == today then return end
  if campaign.used > 0 then
    store.unlist(state.used_on(campaign.used, campaign.id), campaign.id)
  end
  store.list(state.used_on(today, campaign.id), campaign.id)
  store.put(campaign.key, FIELD_USED, store.text(today))
  campaign.used = today
end

-- Everything this run changed, as calls to make: what they need is read before the first write.
function state.writes()
  local writes = {}
  for id, wallet in pairs(state.wallets) do
    if wallet.changed then
      writes[#writes + 1] = { 'HSET', store.WALLETS, id, state.pack_wallet(wallet) }
    end
  end
  for _, campaign in pairs(state.campaigns) do
    if campaign and campaign.changed then
      state.use_campaign(campaign)
      writes[#writes + 1] = { 'HSET', campaign.key, unpack(state.campaign_fields(campaign)) }
    end
  end
  for _, portfolio in pairs(state.portfolios) do state.fold_portfolio(portfolio) end
  for day, usage in pairs(state.usage) do
    local key = state.dated(N.usage, day)
    local values = state.add_pairs({ 'HSET', key }, key, store.text(day) .. '|', usage)
    if #values > 2 * state.MANY_ROWS then state.make_table(values, key) end
    writes[#writes + 1] = values
  end
  return writes
end
