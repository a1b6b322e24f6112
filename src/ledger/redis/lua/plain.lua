-- Plain sends: those that nothing stands in the way of are decided and kept here in one go; every
-- other send is decided by reserve.lua. Both follow the same rules. KEYS by index: buckets of
-- blocks, campaigns, their indexes, counts, people. ARGV: reserve: block, record, terms, flags,
-- person. Reply: reserved | reserved as asked, what is left being what was said of the wallet
-- before less the amount.

local plain = {}

function plain.begin()
  plain.AS_ASKED = char(V_RESERVED_AS_ASKED)
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

-- The new record of a known person if the send is within the caps and has a slot, and what
-- take_slot returns; nil for reserve.lua to decide.
function plain.enter(asked, packed, recipient)
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

-- Begins a run: sends that follow each other in one block under the same terms. Returns what is
-- left in the wallet, what of the budget, below what somebody is warned, and what was said to be
-- left.
function plain.begin_run(asked, given)
  if asked.turn ~= state.turn then plain.judge(asked) end
  if not asked.plain then return end
  if asked.prefix ~= given.prefix then plain.book(asked, given.prefix) end
  local wallet, campaign = asked.wallet, asked.campaign
  local left, budget, warn, said = math.huge, math.huge, -math.huge, math.huge
  if wallet then
    left, said = wallet.settled + wallet.limit - wallet.held, wallet.said
    for _, threshold in ipairs(wallet.thresholds) do
      if threshold.armed then warn = math.max(warn, threshold.below) end
    end
  end
  if campaign and campaign.budget then budget = campaign.budget - campaign.spent - campaign.held end
  return left, budget, warn, said
end

-- Takes down what a run has held, of so many sends.
function plain.end_run(asked, given, held, sends, said)
  if sends == 0 then return end
  local segment, wallet, campaign = given.segment, asked.wallet, asked.campaign
  local block = segment.block
  segment.open, block.open = segment.open + sends, block.open + sends
  blocks.changed[block.prefix] = block
  if wallet then wallet.held, wallet.said, wallet.changed = wallet.held + held, said, true end
  if campaign then campaign.held, campaign.changed = clamp(campaign.held + held), true end
end

-- Says that a send may go: by a letter alone if what is left follows from what was said before.
function plain.say(wallet, amount, left, said)
  if left + amount == said then
    state.out[#state.out + 1] = plain.AS_ASKED
  else
    state.say_reserved(amount, wallet, left, '')
  end
end

-- Decides sends that follow each other, `most` at most; returns how many. What a run shares is kept
-- in locals, because each name costs the interpreter as much as the arithmetic.
function plain.reserves(most)
  local code, text, size, keys = byte(OP_RESERVE), args.given, blocks.RECORD_SIZE, args.keys
  local packed_of, changed, amounts = people.packed, people.changed, state.amounts
  local at, done, turn, number_now, block_now, held, sends = args.at, 0, 0, 0, 0, 0, 0
  local asked, given, content, records, states, portfolio, counted, left, budget, warn, said
  while done < most do
    local operation, block, record, number, flags, high, low = byte(text, at, at + 6)
    if operation ~= code then break end
    at, done = at + 7, done + 1
    local key, known = keys[high * 256 + low], nil
    if flags == 0 then
      if number ~= number_now or block ~= block_now or turn ~= state.turn then
        plain.end_run(asked, given, held, sends, said)
        asked, given, number_now, block_now = terms.list[number], blocks.given[block], number, block
        left, budget, warn, said = plain.begin_run(asked, given)
        turn, held, sends, portfolio = state.turn, 0, 0, asked.portfolio
        counted, content = portfolio or asked.covered, given.segment.content
        records, states = given.segment.records - size, given.block and given.segment.states
      end
      local from = records + record * size
      local amount = sub(content, from, from + 7)
      amount = amounts[amount] or state.amount(amount)
      if left and (amount == 0 or amount > 0 and amount <= left and amount <= budget) then
        known = 0
        if counted then
          local recipient = sub(content, from + 8, from + 15)
          local packed, entered, fresh, minute = packed_of[recipient], nil, nil, nil
          if packed == nil then
            packed = call('HGET', key, recipient)
            packed_of[recipient] = packed
          end
          if packed then
            entered, fresh, minute = plain.enter(asked, packed, recipient)
          elseif asked.most >= 1 and not (portfolio and portfolio.taken >= asked.limit) then
            entered, fresh = asked.first, portfolio
          end
          known = entered and asked.known
          if entered then packed_of[recipient], changed[recipient] = entered, key end
          if fresh then
            known, portfolio.changed = known + asked.booked, true
            portfolio.taken = portfolio.taken + 1
          elseif minute then
            window.count(portfolio, minute, -1)
          end
        end
      end
      if known then
        states = states or blocks.begin_segment(given)
        states[2 * record - 1], states[2 * record] = PHASE_OPEN, known
        held, sends, left, budget = held + amount, sends + 1, left - amount, budget - amount
        plain.say(asked.wallet, amount, left, said)
        said = left
        if left < warn then
          plain.end_run(asked, given, held, sends, said)
          money.warn_when_low(asked.wallet)
          number_now, sends = 0, 0
        end
      end
    end
    if not known then
      plain.end_run(asked, given, held, sends, said)
      args.at, number_now, sends, state.turn = at, 0, 0, state.turn + 1
      reserve.reserve(blocks.given[block], record, terms.list[number], flags, key)
      at = args.at
    end
  end
  plain.end_run(asked, given, held, sends, said)
  args.at = at
  return done
end
