-- People: what one recipient occupies of the messaging limits and of the frequency caps, in one
-- field of a hash sharded by the recipient's hash. KEYS: named by the callers. ARGV: none. Reply:
-- none. A person's record: per portfolio its number (with 32768 added if another follows; a lone 0
-- for none), the minute of the last accepted send and the open sends (32768 and more: what
-- bookings.lua writes); then the cap hits, five bytes each, oldest first: the second, and the
-- category.

local people = {}

people.SLOT, people.SLOT_SIZE, people.HIT_SIZE = '>I2I3I2', 7, 5
people.BEGIN = 26297280 -- the first minute of 2020, so that three bytes last until 2051
people.SLOT_MINUTES = 1440
people.BOOKED = 32768
people.MAX_HITS = 255
people.NOTHING = '\0\0'

function people.begin()
  people.packed = {}  -- by recipient: the record, or false
  people.changed = {} -- by recipient: the key that is written to
  people.PREFIX = store.PREFIX .. N.people
end

people.shards = {} -- their numbers as texts

function people.text_of(shard)
  local text = store.text(shard)
  people.shards[shard] = text
  return text
end

-- The first twelve bits of a keyed hash.
function people.name(recipient)
  local first, second = byte(recipient, 1, 2)
  local shard = first * 16 + (second - second % 16) / 16
  return people.PREFIX .. (people.shards[shard] or people.text_of(shard))
end

-- The record, or false.
function people.of(recipient, key)
  local packed = people.packed[recipient]
  if packed == nil then
    packed = call('HGET', key or people.name(recipient), recipient)
    people.packed[recipient] = packed
  end
  return packed
end

function people.put(recipient, packed, key)
  people.packed[recipient] = packed ~= people.NOTHING and packed
  people.changed[recipient] = key or people.changed[recipient] or people.name(recipient)
end

function people.minute_of(time)
  return math.max(floor(time / 60000), people.BEGIN + 1)
end

function people.is_young(last, minute)
  return last > 0 and minute - last <= people.SLOT_MINUTES
end

-- Where the portfolio's slot is in the record; nil for none.
function people.slot_at(packed, number)
  if not packed or byte(packed, 1) == 0 and byte(packed, 2) == 0 then return nil end
  local at, high, low = 1, nil, nil
  repeat
    high, low = byte(packed, at, at + 1)
    if high % 128 * 256 + low == number then return at end
    at = at + people.SLOT_SIZE
  until high < 128
end

-- Minute of the last accepted send and open sends; nil for none, and for one that is over. Of a
-- booked slot the minute, and none: it is taken, whatever became of the send.
function people.slot_of(packed, number)
  local at = people.slot_at(packed, number)
  if not at then return nil end
  local _, minute, open = read(people.SLOT, packed, at)
  if minute > 0 then minute = minute + people.BEGIN end
  if open >= people.BOOKED then open = 0 end
  if open > 0 or people.is_young(minute, floor(store.now / 60000)) then return minute, open end
end

-- The record with another minute and other open sends in the slot that the portfolio has.
function people.with_uses(packed, number, minute, open)
  local at = people.slot_at(packed, number)
  return sub(packed, 1, at + 1) .. people.uses(minute, open) .. sub(packed, at + people.SLOT_SIZE)
end

function people.uses(minute, open)
  return pack('>I3I2', minute > 0 and math.max(minute - people.BEGIN, 1) or 0, open)
end

-- Where the cap hits begin.
function people.hits_at(packed)
  if byte(packed, 1) == 0 and byte(packed, 2) == 0 then return 3 end
  local at = 1
  while byte(packed, at) >= 128 do at = at + people.SLOT_SIZE end
  return at + people.SLOT_SIZE
end

function people.hits_of(packed)
  return packed and sub(packed, people.hits_at(packed)) or ''
end

-- The record with other cap hits.
function people.with_hits(packed, hits)
  packed = packed or people.NOTHING
  return sub(packed, 1, people.hits_at(packed) - 1) .. hits
end

-- The record with another slot for the portfolio; none if `last` is nil. What is over is dropped.
function people.with_slot(packed, number, last, open)
  packed = packed or people.NOTHING
  local till, slots = people.hits_at(packed) - 1, {}
  for at = 1, till - people.SLOT_SIZE + 1, people.SLOT_SIZE do
    local of = read('>I2', packed, at) % 32768
    if of ~= number and people.slot_of(packed, of) then
      slots[#slots + 1] = { of, sub(packed, at + 2, at + people.SLOT_SIZE - 1) }
    end
  end
  if last then
    slots[#slots + 1] = { number, people.uses(last, math.min(open, people.BOOKED - 1)) }
  end
  local written = #slots == 0 and people.NOTHING or ''
  for i, slot in ipairs(slots) do
    written = written .. pack('>I2', slot[1] + (i < #slots and 32768 or 0)) .. slot[2]
  end
  return written .. sub(packed, till + 1)
end

function people.hit(second, category)
  return pack('>I4B', second, category)
end

-- The cap hits with one more; those older than every rule's window are dropped.
function people.add_hit(hits, longest_s, now_s, hit)
  local from = 1
  while from <= #hits and read('>I4', hits, from) <= now_s - longest_s do
    from = from + people.HIT_SIZE
  end
  if (#hits - from + 1) / people.HIT_SIZE >= people.MAX_HITS then from = from + people.HIT_SIZE end
  return (from > 1 and sub(hits, from) or hits) .. hit
end

function people.flush()
  local packed_of = people.packed
  for recipient, key in pairs(people.changed) do
    local packed = packed_of[recipient]
    if packed then
      call('HSET', key, recipient, packed)
    else
      call('HDEL', key, recipient)
    end
  end
end
