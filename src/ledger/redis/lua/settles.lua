-- Settles: those of open holds that leave nothing behind but numbers are added up here; every other
-- one is resolve.lua's. Both follow the same rules. KEYS: buckets of blocks. ARGV: block, position,
-- day, whether there is a message id, the message id. Reply: settled: amount | no hold.

local settles = {}

settles.RECORD = 32 -- in a record: where what a settle needs begins
settles.NO_SEGMENT = { states = {}, content = '', records = 1 }

-- Flags of holds that are added up: by whether they booked the slot in their portfolio's limit.
settles.BOOKED, settles.UNBOOKED, settles.NEITHER = {}, {}, {}
for flags = 0, FLAG_FREE - 1 do
  if flags % 2 ~= FLAG_GUARDING then
    (flags < FLAG_BOOKED and settles.UNBOOKED or settles.BOOKED)[flags] = true
  end
end

function settles.begin()
  settles.SETTLED = char(V_SETTLED)
end

-- Begins a run: settles that follow each other, of one segment, with one route. Returns the route,
-- the flags its holds may have, and how much may be charged, so that no sum leaves its bounds.
function settles.begin_run(segment, number)
  local route = segment.routes[number]
  local ends, room = settles.UNBOOKED, store.MAX
  route.paid = route.wallet ~= '' and (route.paid or state.wallet_of(route.wallet))
  if route.paid then room = math.min(room, route.paid.settled + store.MAX) end
  if route.portfolio ~= '' then
    route.counted = route.counted or state.portfolio_of(route.portfolio)
    local same = floor(segment.reserved / 60000) == floor(store.now / 60000)
    ends = same and settles.BOOKED or settles.NEITHER
  end
  return route, ends, room
end

-- The charges that a run's are added to.
function settles.charges_of(route, prefix)
  local charges, settled = state.charges, route.paid.settled
  if charges and charges.settled == settled and charges.names == route.names
    and charges.prefix == prefix then
    return charges
  end
  return state.begin_charges(route.names, prefix, settled)
end

-- Takes down what a run has charged, for so many sends to one country and category.
function settles.end_run(block, route, charged, sends, sort, charges)
  if sends == 0 then return end
  local segment, wallet = block[1], route.paid
  segment.open, block.open = segment.open - sends, block.open - sends
  blocks.changed[block.prefix] = block
  if wallet then
    wallet.held, wallet.settled = clamp(wallet.held - charged), wallet.settled - charged
    wallet.changed = true
    if charges then charges.settled = wallet.settled end
  end
  local campaign = route.campaign ~= '' and state.campaign_of(route.campaign)
  if campaign then
    campaign.held = clamp(campaign.held - charged)
    campaign.spent = clamp(campaign.spent + charged)
    campaign.accepted, campaign.changed = campaign.accepted + sends, true
    state.use(campaign.usage, sort, charged, sends)
  end
  if route.portfolio ~= '' then route.counted.closed = route.counted.closed + sends end
end

-- Settles one hold by itself.
function settles.one(block, position, day, message_id)
  local segment, i = blocks.find(block, position)
  if not segment then
    state.out[#state.out + 1] = char(V_NO_HOLD)
    return
  end
  local amount, kept = resolve.settle_hold(block, segment, i, day)
  if kept then resolve.keep_answer(block, segment, i, message_id) end
  state.out[#state.out + 1] = settles.SETTLED .. amount
end

-- Settles what follows each other, `most` at most; returns how many. What a run shares is kept in
-- locals.
function settles.all(most)
  local code, given, size, amounts = byte(OP_SETTLE), args.given, blocks.RECORD_SIZE, state.amounts
  local out, settled, at, done = state.out, settles.SETTLED, args.at, 0
  local block, day, usage, states, content, records, number_now, span_now, route_now, sort_now
  local route, ends, room, charges, charged, sends = nil, nil, 0, nil, 0, 0
  while done < most do
    local operation, number, position, span, known, high, low = byte(given, at, at + 6)
    if operation ~= code then break end
    if number ~= number_now or span ~= span_now then
      settles.end_run(block, route, charged, sends, sort_now, charges)
      block, day, number_now, span_now = blocks.nth(number), terms.days[span], number, span
      local segment = block[1] or settles.NO_SEGMENT
      usage, states, content, route_now, sends = day.usage, segment.states, segment.content, nil, 0
      records = segment.records + settles.RECORD
    end
    local from, i, done_with = records + position * size, 2 * position + 1, false
    local row_high, row_low, row_size, of, same, key = byte(content, from, from + 5)
    if states[i] == PHASE_OPEN and same == position and key == 0 then
      if of ~= route_now then
        settles.end_run(block, route, charged, sends, sort_now, charges)
        route, ends, room = settles.begin_run(block[1], of)
        route_now, sort_now, charges, charged, sends = of, nil, nil, 0, 0
      end
      local text, row_at = sub(content, from - 32, from - 25), row_high * 256 + row_low
      local amount = amounts[text] or state.amount(text)
      if ends[states[i + 1]] and amount >= 0 and charged + amount <= room then
        local row = sub(content, row_at, row_at + row_size - 1)
        usage = usage or terms.usage_on(day)
        local use = usage[row] or state.row(usage, row)
        if use.sort ~= sort_now then
          settles.end_run(block, route, charged, sends, sort_now, charges)
          sort_now, room, charged, sends = use.sort, room - charged, 0, 0
        end
        if route.paid and amount > 0 then
          charges = charges or settles.charges_of(route, block.prefix)
          local c = charges.size
          charges[c + 1], charges[c + 2], charges[c + 3] = char(position, row_size), text, row
          charges.size = c + 3
        end
        states[i], done_with, charged, sends = PHASE_GONE, true, charged + amount, sends + 1
        use.messages, use.credits = use.messages + 1, use.credits + amount
        local n = #out
        out[n + 1], out[n + 2] = settled, text
      end
    end
    local next_at = at + 7 + high * 256 + low
    if not done_with then
      settles.end_run(block, route, charged, sends, sort_now, charges)
      route_now, sends = nil, 0
      settles.one(block, position, day, known == 1 and sub(given, at + 7, next_at - 1) or nil)
    end
    at, done = next_at, done + 1
  end
  settles.end_run(block, route, charged, sends, sort_now, charges)
  args.at = at
  return done
end
