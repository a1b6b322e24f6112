-- Plain sends: those that nothing stands in the way of are decided and kept here in one go, and so
-- are settles; every other send is decided by reserve.lua. Both follow the same rules. KEYS by
-- index: buckets of blocks, campaigns, their indexes, counts, people. ARGV: reserve: block, record,
-- terms, flags, person; settle: block, position, day, whether there is a message id, the message
-- id. Reply: reserved | reserved as asked, what is left being what was said of the wallet before
-- less the amount; settled: amount | no hold.

local plain = {}

function plain.begin()
  plain.AS_ASKED, plain.SETTLED = char(V_RESERVED_AS_ASKED), char(V_SETTLED)
end

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

-- What the records of people are made of under these terms, and which are within the caps.
function plain.prepare(asked, route)
  local portfolio = asked.portfolio
  asked.hit, asked.prefix = '', false
  asked.most = math.huge
  if asked.covered then
    local rules = terms.rules_of(asked.caps)
    asked.longest, asked.hit = rules.longest, people.hit(plain.now_s(), tonumber(route.category))
    if not (asked.campaign and asked.campaign.exempt) then
      asked.most = rules.least * people.HIT_SIZE
    end
  end
end

-- What sends under these terms take and are, if their holds are of the block with this prefix.
function plain.book(asked, prefix)
  local portfolio = asked.portfolio
  asked.prefix, asked.slot, asked.booked = prefix, people.NOTHING, 0
  if portfolio then
    asked.slot, asked.booked = bookings.slot(portfolio.number, prefix)
    asked.high, asked.low = byte(asked.slot, 1, 2)
  end
  asked.first, asked.known = asked.slot .. asked.hit, asked.covered and FLAG_HIT or 0
end

function plain.now_s() return floor(store.now / 1000) end

function plain.judge(asked)
  asked.turn, asked.plain = state.turn, false
  local route = blocks.route_of(asked.route)
  if not plain.is_open(asked, route) then return end
  asked.plain, asked.covered = true, route.covered
  if route.portfolio ~= '' then
    asked.portfolio = state.portfolio_of(route.portfolio, args.keys[asked.counts])
    local upto = floor(store.now / 60000) - people.SLOT_MINUTES - 1
    if not asked.portfolio.expired or asked.portfolio.expired < upto then
      window.expire_slots(asked.portfolio)
    end
  end
  plain.prepare(asked, route)
end

-- The slot in the person's new record, whether it was free, and the minute of the slot that is
-- taken up again; nil for reserve.lua to decide.
function plain.take_slot(asked, packed, recipient)
  local portfolio = asked.portfolio
  local high, low, first, second, third, more, open = byte(packed, 1, people.SLOT_SIZE)
  if not portfolio then
    return high + low == 0 and people.NOTHING or sub(packed, 1, people.SLOT_SIZE)
  end
  if high + low > 0 then
    if high ~= asked.high or low ~= asked.low then return nil end
    local minute = (first * 256 + second) * 256 + third
    minute = minute > 0 and minute + people.BEGIN or 0
    local young = people.is_young(minute, floor(store.now / 60000))
    if more > 127 and young then
      bookings.close(portfolio, recipient)
      return plain.take_slot(asked, people.packed[recipient], recipient)
    end
    if more == 0 and open > 0 and open < 255 then
      return sub(packed, 1, 6) .. char(open + 1), false
    end
    if more < 128 and (more > 0 or open > 0) then return nil end
    if young then return sub(packed, 1, 6) .. '\1', false, minute end
  end
  if portfolio.taken < asked.limit then return asked.slot, true end
end

-- The person's new record if the send is within the caps and has a slot, and what take_slot
-- returns; nil for reserve.lua to decide.
function plain.enter(asked, packed, recipient)
  if not packed then
    if asked.most < 1 then return nil end
    local portfolio = asked.portfolio
    if portfolio and portfolio.taken >= asked.limit then return nil end
    return asked.first, portfolio and true
  end
  local high, low = byte(packed, 1, 2)
  if high >= 128 then return nil end -- in several portfolios
  local hits = sub(packed, high + low == 0 and 3 or people.SLOT_SIZE + 1)
  if #hits >= asked.most then return nil end
  local slot, fresh, minute = plain.take_slot(asked, packed, recipient)
  if not slot then return nil end
  if hits == '' then
    hits = asked.hit
  elseif asked.covered then
    hits = people.add_hit(hits, asked.longest, plain.now_s(), asked.hit)
  end
  return slot .. hits, fresh, minute
end

-- What is left of the money after a send, true on external channels; nil if there is too little.
function plain.afford(wallet, campaign, amount)
  if amount < 0 then return nil end
  if campaign and campaign.budget and amount > 0
    and campaign.spent + campaign.held + amount > campaign.budget then
    return nil
  end
  if not wallet then return true end
  local left = wallet.settled + wallet.limit - wallet.held - amount
  return (left >= 0 or amount == 0) and left or nil
end

-- Writes down who has a slot and a cap hit now.
function plain.keep_person(portfolio, fresh, minute)
  if fresh then
    portfolio.taken, portfolio.changed = portfolio.taken + 1, true
  elseif minute then
    window.count(portfolio, minute, -1)
  end
end

-- Takes the money; says that the send may go, by a letter alone if what is left follows from what
-- was said before.
function plain.take_money(wallet, campaign, amount, left)
  if campaign then
    campaign.held, campaign.changed = clamp(campaign.held + amount), true
  end
  local out = state.out
  if not wallet then
    out[#out + 1] = plain.AS_ASKED
    return
  end
  wallet.held, wallet.changed = wallet.held + amount, true
  if wallet.thresholds[1] then money.warn_when_low(wallet) end
  if wallet.said ~= left + amount then return state.say_reserved(amount, wallet, left, '') end
  out[#out + 1], wallet.said = plain.AS_ASKED, left
end

-- Decides sends that follow each other, `most` at most; returns how many. What they share is kept
-- in locals, because each name costs the interpreter as much as the arithmetic.
function plain.reserves(most)
  local code, text, size, keys = byte(OP_RESERVE), args.given, blocks.RECORD_SIZE, args.keys
  local packed_of, changed, amounts = people.packed, people.changed, state.amounts
  local at, done, asked, wallet, campaign, portfolio, counted = args.at, 0, nil, nil, nil, nil, nil
  local terms_now, block_now, given, segment, content = 0, 0, nil, nil, nil
  while done < most do
    local operation, block, record, number, flags, high, low = byte(text, at, at + 6)
    if operation ~= code then break end
    at, done = at + 7, done + 1
    if number ~= terms_now or asked.turn ~= state.turn then
      asked, terms_now = terms.list[number], number
      if asked.turn ~= state.turn then plain.judge(asked) end
      wallet, campaign, portfolio = asked.wallet, asked.campaign, asked.portfolio
      counted = portfolio or asked.covered
    end
    if block ~= block_now then
      given, block_now = blocks.given[block], block
      segment = given.segment
      content = segment.content
    end
    local from, key = segment.records + (record - 1) * size, keys[high * 256 + low]
    local amount = sub(content, from, from + 7)
    amount = amounts[amount] or state.amount(amount)
    local left = flags == 0 and asked.plain and plain.afford(wallet, campaign, amount) or nil
    local known = 0
    if left and counted then
      if asked.prefix ~= given.prefix then plain.book(asked, given.prefix) end
      local recipient = sub(content, from + 8, from + 15)
      local packed = packed_of[recipient]
      if packed == nil then
        packed = call('HGET', key, recipient)
        packed_of[recipient] = packed
      end
      local entered, fresh, minute = plain.enter(asked, packed, recipient)
      if entered then
        packed_of[recipient], changed[recipient] = entered, key
        known = asked.known
        if fresh then known = known + asked.booked end
        if portfolio then plain.keep_person(portfolio, fresh, minute) end
      else
        left = nil
      end
    end
    if left then
      blocks.open(given, record, known)
      plain.take_money(wallet, campaign, amount, left)
    else
      args.at, block_now, state.turn = at, 0, state.turn + 1
      reserve.reserve(given, record, asked, flags, key)
      at = args.at
    end
  end
  args.at = at
  return done
end

-- Settles what follows each other, `most` at most; returns how many.
function plain.settles(most)
  local code, given, out = byte(OP_SETTLE), args.given, state.out
  local at, done, block, block_now = args.at, 0, nil, 0
  while done < most do
    local operation, number, position, span, known, high, low = byte(given, at, at + 6)
    if operation ~= code then break end
    if number ~= block_now then block, block_now = blocks.nth(number), number end
    local size = high * 256 + low
    local segment, i = blocks.find(block, position)
    if segment then
      local amount, kept = resolve.settle_hold(block, segment, i, terms.days[span])
      if kept then
        local message_id = known == 1 and sub(given, at + 7, at + 6 + size) or nil
        resolve.keep_answer(block, segment, i, message_id)
      end
      local n = #out
      out[n + 1], out[n + 2] = plain.SETTLED, amount
    else
      out[#out + 1] = char(V_NO_HOLD)
    end
    at, done = at + 7 + size, done + 1
  end
  args.at = at
  return done
end
