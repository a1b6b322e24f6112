-- Money that moves without a message: top-ups and adjustments, wallet settings, low-balance
-- thresholds. KEYS by index: references of the wallet. ARGV: top-up: wallet, amount, reference, key
-- index; adjustment: wallet, amount, reference, reason, key index; wallet: id, overdraft limit or
-- '', thresholds. Reply: posted: repeated, the entry | reference conflict | wallet unknown | out of
-- range | shortfall: needed, available | wallet: its view.

local money = {}

money.MAX_THRESHOLDS = 16

-- Whether settled and the overdraft limit can be added exactly.
function money.in_range(settled, limit)
  return settled <= store.MAX and settled >= -store.MAX and settled + limit <= store.MAX
end

function money.warn_when_low(wallet)
  local left = state.available(wallet)
  for _, threshold in ipairs(wallet.thresholds) do
    if threshold.armed and left < threshold.below then
      threshold.armed = false
      local below = store.text(threshold.below)
      state.event(EVENT_LOW_BALANCE, wallet.id, '', '', below, store.text(left), '')
    end
  end
end

-- Only money coming in arms a threshold again, so that holds taken and released make no noise.
function money.arm_thresholds(wallet)
  local left = state.available(wallet)
  for _, threshold in ipairs(wallet.thresholds) do
    if left >= threshold.below then threshold.armed = true end
  end
end

-- References, listed by the day of their entry in the order of its number:
-- sequence|time|kind|amount|balance after|reason.
function money.say_repeated(found, kind, wallet_id, amount, reference, reason)
  local sequence, at, of, moved, balance, why =
    string.match(found, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  if of ~= kind or tonumber(moved) ~= amount or why ~= reason then
    return state.say(V_REFERENCE_CONFLICT)
  end
  sequence, at, balance = tonumber(sequence), tonumber(at), tonumber(balance)
  state.say(V_POSTED, 1, sequence, at, wallet_id, kind, amount, balance, reference, reason)
end

-- Whether the entry may be booked: nil, or the verdict.
function money.check_post(wallet, amount)
  if not money.in_range(wallet.settled + amount, wallet.limit) then return { V_OUT_OF_RANGE } end
  local left = state.available(wallet)
  if amount < 0 and left + amount < 0 then return { V_SHORTFALL, -amount, left } end
end

function money.apply_post(kind, wallet, amount, reference, reason, key)
  wallet.settled, wallet.changed = wallet.settled + amount, true
  if amount > 0 then wallet.exhausted = false end
  local sequence = state.next_entry()
  local entry = table.concat({
    wallet.id, kind, store.text(amount), store.text(wallet.settled), store.text(#reference),
    reference .. reason,
  }, '|')
  state.add_entry(char(ENTRY_IS_POST) .. entry)
  store.put(key, reference, table.concat({
    store.text(sequence), store.text(store.now), kind, store.text(amount),
    store.text(wallet.settled), reason,
  }, '|'))
  -- The number, then where the reference is kept and what it is.
  local kept = sub(key, #store.PREFIX + 1)
  store.list(state.dated(N.reference_days, state.today()),
    pack('>I6I2', sequence, #kept) .. kept .. reference)
  if amount > 0 then money.arm_thresholds(wallet) else money.warn_when_low(wallet) end
  local settled = wallet.settled
  state.say(V_POSTED, 0, sequence, store.now, wallet.id, kind, amount, settled, reference, reason)
end

function money.post(kind, wallet_id, amount, reference, reason, key)
  local wallet = state.wallet_of(wallet_id)
  if not wallet then return state.say(V_WALLET_UNKNOWN) end
  local found = store.get(key, reference)
  if found then return money.say_repeated(found, kind, wallet_id, amount, reference, reason) end
  local refusal = money.check_post(wallet, amount)
  if refusal then return state.say(unpack(refusal)) end
  money.apply_post(kind, wallet, amount, reference, reason, key)
end

function money.top_up()
  local wallet, amount, reference, key = args.text(), args.number(), args.text(), args.key()
  if amount <= 0 then return state.say(V_OUT_OF_RANGE) end
  money.post(ENTRY_TOP_UP, wallet, amount, reference, '', key)
end

function money.adjust()
  local wallet, amount, reference = args.text(), args.number(), args.text()
  local reason, key = args.text(), args.key()
  if amount == 0 then return state.say(V_OUT_OF_RANGE) end
  money.post(ENTRY_ADJUSTMENT, wallet, amount, reference, reason, key)
end

function money.say_wallet(wallet)
  local thresholds = {}
  for i, threshold in ipairs(wallet.thresholds) do thresholds[i] = store.text(threshold.below) end
  local exhausted, list = wallet.exhausted and 1 or 0, table.concat(thresholds, ',')
  state.say(V_WALLET, wallet.id, wallet.settled, wallet.held, wallet.limit, exhausted, list)
end

-- Whether the wallet may have these settings: nil, or the verdict.
function money.check_put_wallet(wallet, limit, thresholds)
  if thresholds and #thresholds > money.MAX_THRESHOLDS then return { V_OUT_OF_RANGE } end
  if not limit then return nil end
  if limit < 0 or not money.in_range(wallet.settled, limit) then return { V_OUT_OF_RANGE } end
  local left, needed = state.available(wallet), wallet.limit - limit
  if limit < wallet.limit and left < needed then return { V_SHORTFALL, needed, left } end
end

-- nil for thresholds that stay unchanged.
function money.thresholds()
  local given = args.text()
  if given == ARG_THRESHOLDS_SAME then return nil end
  local list = {}
  for below in string.gmatch(given, '%-?%d+') do list[#list + 1] = tonumber(below) end
  return list
end

function money.new_wallet(id)
  return {
    id = id, settled = 0, held = 0, limit = 0, epoch = 0, exhausted = false, since = 0,
    refused = 0, thresholds = {},
  }
end

function money.put_wallet()
  local id, limit, thresholds = args.text(), tonumber(args.text()), money.thresholds()
  local wallet = state.wallet_of(id) or money.new_wallet(id)
  local refusal = money.check_put_wallet(wallet, limit, thresholds)
  if refusal then return state.say(unpack(refusal)) end
  if limit then
    local raised = limit > wallet.limit
    wallet.limit, wallet.exhausted = limit, wallet.exhausted and not raised
  end
  if thresholds then
    local left = state.available(wallet)
    wallet.thresholds = {}
    for i, below in ipairs(thresholds) do
      wallet.thresholds[i] = { below = below, armed = left >= below }
    end
  end
  state.wallets[id] = wallet
  money.arm_thresholds(wallet)
  money.warn_when_low(wallet)
  wallet.changed = true
  -- Who asks for all wallets must see it.
  store.put(store.WALLETS, id, state.pack_wallet(wallet))
  money.say_wallet(wallet)
end
