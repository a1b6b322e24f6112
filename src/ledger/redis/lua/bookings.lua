-- Bookings: a send that takes a free slot writes down, in place of one open send, the minute of its
-- reserve and the time in its hold's id. If it is accepted within that minute, the person's record
-- is what it must be already. Whatever else touches the slot, or is to find it over, looks first
-- what became of the hold, and makes the booking an open send or an accepted one. KEYS: named by
-- the callers. ARGV: none. Reply: none.

local bookings = {}

-- How far a hold's id may be from its reserve's minute, and how exactly it is written down: in
-- fifteen bits.
bookings.BEFORE_MS, bookings.STEP_MS, bookings.STEPS = 65536, 8, 32768

-- The slot of a send that books it under a hold of the block with this prefix, and the hold's flag;
-- one open send, if the id's time is too far off.
function bookings.slot(number, prefix)
  local minute = people.minute_of(store.now)
  local step = read('>I6', prefix) - minute * 60000 + bookings.BEFORE_MS
  step = floor(step / bookings.STEP_MS)
  if step < 0 or step >= bookings.STEPS then return pack(people.SLOT, number, 0, 1), 0 end
  return pack(people.SLOT, number, minute - people.BEGIN, people.BOOKED + step), FLAG_BOOKED
end

-- Minute and step of a booked slot; nil for another one.
function bookings.of(packed, number)
  local at = people.slot_at(packed, number)
  if not at then return nil end
  local _, minute, open = read(people.SLOT, packed, at)
  if open >= people.BOOKED then return minute + people.BEGIN, open - people.BOOKED end
end

-- Segment, index and block of the open hold that booked the recipient's slot; nil if it is settled.
function bookings.find(portfolio, recipient, minute, step)
  local from = minute * 60000 - bookings.BEFORE_MS + step * bookings.STEP_MS
  local found
  local function look(block)
    local segment, i = blocks.find_booking(block, portfolio.id, recipient)
    if segment then found = { segment, i, block } end
  end
  for prefix, block in pairs(blocks.known) do
    local time = read('>I6', prefix)
    if time >= from and time < from + bookings.STEP_MS then look(block) end
  end
  if not found then
    local members = call('ZRANGEBYLEX', store.OPEN_INDEX, '[' .. pack('>I6', from),
      '(' .. pack('>I6', from + bookings.STEP_MS))
    for _, member in ipairs(members) do look(blocks.of_prefix(sub(member, 1, 15))) end
  end
  if found then return unpack(found) end
end

-- From now on the booking is an open send, whose hold this is.
function bookings.open(portfolio, recipient, segment, i, block)
  local packed = people.of(recipient)
  if bookings.of(packed, portfolio.number) then
    people.put(recipient, people.with_uses(packed, portfolio.number, 0, 1))
  end
  segment.states[2 * i] = segment.states[2 * i] - FLAG_BOOKED
  blocks.changed[block.prefix] = block
end

-- Makes the booking, if the recipient's slot is one, what became of it.
function bookings.close(portfolio, recipient)
  local packed, number = people.of(recipient), portfolio.number
  local minute, step = bookings.of(packed, number)
  if not minute then return end
  local segment, i, block = bookings.find(portfolio, recipient, minute, step)
  if segment then return bookings.open(portfolio, recipient, segment, i, block) end
  people.put(recipient, people.with_uses(packed, number, minute, 0))
end

-- Takes a slot for a send under a hold of the block with this prefix; returns the hold's flag.
function bookings.take(portfolio, recipient, key, prefix)
  if people.slot_of(people.of(recipient, key), portfolio.number) then
    bookings.close(portfolio, recipient)
    window.open_slot(portfolio, recipient)
    return 0
  end
  local slot, flag = bookings.slot(portfolio.number, prefix)
  local _, minute, open = read(people.SLOT, slot)
  portfolio.taken, portfolio.changed = portfolio.taken + 1, true
  local packed = people.with_slot(people.of(recipient), portfolio.number, 0, 1)
  minute = minute > 0 and minute + people.BEGIN or 0
  people.put(recipient, people.with_uses(packed, portfolio.number, minute, open))
  return flag
end

-- A send that booked its slot was accepted after the minute of its reserve.
function bookings.confirm(portfolio, recipient)
  local packed, minute = people.of(recipient), people.minute_of(store.now)
  if not bookings.of(packed, portfolio.number) then return end
  people.put(recipient, people.with_uses(packed, portfolio.number, minute, 0))
  portfolio.closed = portfolio.closed + 1
end

-- A send that booked its slot was not accepted.
function bookings.drop(portfolio, recipient)
  local packed = people.of(recipient)
  if not bookings.of(packed, portfolio.number) then return end
  people.put(recipient, people.with_slot(packed, portfolio.number, nil))
  portfolio.taken, portfolio.changed = portfolio.taken - 1, true
end
