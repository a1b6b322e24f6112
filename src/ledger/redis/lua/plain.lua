-- Plain sends: those that nothing stands in the way of are decided and kept here in one go, and so
-- are settles; every other send is decided by reserve.lua. Both follow the same rules. KEYS by
-- index: buckets of blocks, campaigns, their indexes, counts, people. ARGV: plain.tables; reserve:
-- block, record, terms, flags, person; settle: block, position, day, whether there is a message id,
-- the message id. Reply: reserved; settled: amount | no hold.

local plain = {}

-- Whether nothing but the person, the limit and the money can stand in the way of sends under
-- these terms.
function plain.is_open(asked, route)
  if asked.flags ~= TERMS_AUTO_CREATE and asked.flags ~= 0 then return false end
  if asked.version ~= store.number(store.ACCOUNT, 'settings') then return false end
  if store.now >= asked.valid_until then return false end
  if store.get(store.ACCOUNT, 'aliases') or store.get(store.ACCOUNT, 'guards') then return false end
  local wallet, campaign
  if route.wallet ~= '' then
    wallet = state.wallet_of(route.wallet)
    if not wallet then return false end
  end
  if route.campaign ~= '' then
    campaign = state.campaign_of(route.campaign, args.keys[asked.campaign_key])
    if not campaign or campaign.reason ~= '' or campaign.dedupe then return false end
    if campaign.wallet ~= route.wallet then return false end
    if wallet and wallet.epoch ~= campaign.epoch then return false end
  end
  asked.wallet, asked.campaign = wallet or false, campaign or false
  return true
end

function plain.judge(asked)
  asked.turn, asked.plain = state.turn, false
  local route = blocks.route_of(asked.route)
  if not plain.is_open(asked, route) then return end
  asked.plain = true
  asked.covered, asked.category = route.covered, tonumber(route.category)
  asked.capped = asked.covered and not (asked.campaign and asked.campaign.exempt)
  if asked.covered then
    local rules = terms.rules_of(asked.caps)
    asked.least, asked.longest = rules.least, rules.longest
  end
  if route.portfolio ~= '' then
    asked.portfolio = state.portfolio_of(route.portfolio, args.keys[asked.counts])
    local upto = floor(store.now / 60000) - people.SLOT_MINUTES - 1
    if not asked.portfolio.expired or asked.portfolio.expired < upto then
        window.expire_slots(asked.portfolio)
    end
  end
end

-- The person's new record if the send is within the caps and has a slot; else nil, for reserve.lua
-- to decide. Returns whether it takes a slot that nobody had, and the minute of the slot it takes
-- up again.
function plain.enter(asked, packed)
  local portfolio, slot, hits, fresh, closed = asked.portfolio, '', '', false, nil
  if packed then
    local first, second = byte(packed, 1, 2)
    local tag = first * 256 + second
    if tag == 0 then
      hits = sub(packed, 3)
    elseif tag < 32768 then
      slot, hits = sub(packed, 1, people.SLOT_SIZE), sub(packed, people.SLOT_SIZE + 1)
    else
      return nil
    end
    if asked.capped and #hits >= asked.least * people.HIT_SIZE then return nil end
  elseif asked.capped and asked.least < 1 then
    return nil
  end
  if portfolio then
    local minute, open = nil, nil
    if slot ~= '' then
      local number
      number, minute, open = read(people.SLOT, slot)
      if number ~= portfolio.number then return nil end
      local last = minute > 0 and minute + people.BEGIN or 0
      if open == 0 then
        if people.is_young(last, floor(store.now / 60000)) then closed = last else minute = nil end
      end
    end
    if not minute then
      if portfolio.taken >= asked.limit then return nil end
      fresh, minute, open = true, 0, 0
    end
    slot = pack(people.SLOT, portfolio.number, minute, open + 1)
  elseif slot == '' then
    slot = people.NOTHING
  end
  if asked.covered then
    hits = people.add_hit(hits, asked.longest, floor(store.now / 1000), asked.category)
  end
  return slot .. hits, fresh, closed
end

function plain.reserve()
  local block, record, number, flags, person
  block, record, number, flags, person, args.at = read('>BBBBI2', args.given, args.at)
  local given, asked = blocks.given[block], terms.list[number]
  local content = given.segment.content
  local amount, recipient =
    read('>i8c8', content, given.segment.records + (record - 1) * blocks.RECORD_SIZE)
  if asked.turn ~= state.turn then plain.judge(asked) end
  local wallet, campaign, left = asked.wallet, asked.campaign, nil
  local within = asked.plain and flags == 0 and amount >= 0
  if within and wallet then
    left = wallet.settled + wallet.limit - wallet.held - amount
    within = left >= 0 or amount == 0
  end
  if within and campaign and campaign.budget and amount > 0 then
    within = campaign.spent + campaign.held + amount <= campaign.budget
  end
  local entered, fresh, closed
  if within and (asked.portfolio or asked.covered) then
    entered, fresh, closed = plain.enter(asked, people.of(recipient, args.keys[person]))
    within = entered ~= nil
  end
  if not within then
    state.turn = state.turn + 1
    return reserve.reserve(given, record, asked, flags, args.keys[person])
  end
  if entered then
    people.put(recipient, entered)
    local portfolio = asked.portfolio
    if fresh then
      portfolio.taken, portfolio.changed = portfolio.taken + 1, true
    elseif closed then
        window.count(portfolio, closed, -1)
    end
  end
  if campaign then
    campaign.held, campaign.changed = store.clamp(campaign.held + amount), true
  end
  if wallet then
    wallet.held, wallet.changed = wallet.held + amount, true
    if wallet.thresholds[1] then
        money.warn_when_low(wallet)
    end
  end
  blocks.open(given, record, asked.covered and FLAG_HIT or 0)
  local out = state.out
  if wallet then
    out[#out + 1] = pack('>Bi8Bi8B', V_RESERVED, amount, 1, left, 0)
  else
    out[#out + 1] = pack('>Bi8Bi8B', V_RESERVED, amount, 0, 0, 0)
  end
end
