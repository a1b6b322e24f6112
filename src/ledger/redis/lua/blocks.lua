-- Blocks: the holds of one batch, whose ids differ in their last byte only. KEYS: the bucket of
-- each block, by the second of its holds' ids. ARGV: none. Reply: none. A bucket has two fields for
-- a block: its contents, as encode.rs writes them and never changed, and by the same name with an s
-- their states. Mostly a block is one segment; what is added to it later is another. A segment's
-- states: the time it was reserved at, how many holds, how many open, how many in doubt; then two
-- bytes each: PHASE_GONE, PHASE_OPEN or why it is in doubt, and the sum of the FLAGS that apply.

local blocks = {}

blocks.RECORD, blocks.RECORD_SIZE = '>i8c8c16I2BBBB', 38
blocks.POSITION = 36 -- in a record
blocks.STATES, blocks.STATES_SIZE = '>I6BBB', 9
blocks.CONTENT, blocks.ROUTE = '>BBBI2', 'Bc0Bc0Bc0BBB'
blocks.NONE = '\0' -- as often as a block may have states
for _ = 1, 9 do blocks.NONE = blocks.NONE .. blocks.NONE end

function blocks.begin()
  blocks.known, blocks.given, blocks.routes, blocks.changed = {}, {}, {}, {}
  blocks.doubts = 0 -- how many more are in doubt after this run
end

-- What upstream's answers, releases and sweeps need of a send: recorded with it, and the same for
-- many.
function blocks.route_of(packed)
  local route = blocks.routes[packed]
  if route then return route end
  local wallet, campaign, portfolio, category, covered, spanned, at =
    read(blocks.ROUTE, packed)
  route = {
    wallet = wallet, campaign = campaign, portfolio = portfolio, category = category,
    covered = covered == 1, names = wallet .. '|' .. campaign .. '|', paid = false, counted = false,
  }
  if spanned == 1 then
    local index, from, till = read('>i4i8i8', packed, at)
    route.month = { index = index, from = from, till = till }
  end
  blocks.routes[packed] = route
  return route
end

-- A segment of holds; none of them is there yet.
function blocks.segment(content)
  local version, count, routes, records = read(blocks.CONTENT, content)
  if version ~= N.block_version then
    error('a block of version ' .. version .. ', which this gateway does not know')
  end
  local segment = {
    content = content, count = count, records = records, reserved = store.now, open = 0, doubt = 0,
    routes = {}, states = {}, block = false,
  }
  local at = 6
  for i = 1, routes do
    local packed
    packed, at = read('>I2c0', content, at)
    segment.routes[i] = blocks.route_of(packed)
  end
  return segment
end

function blocks.parse(block, contents, states)
  local at, from, first = 1, 1, true
  while at <= #contents do
    local content
    content, at = read('>I4c0', contents, at)
    local segment = blocks.segment(content)
    local count
    segment.reserved, count, segment.open, segment.doubt = read(blocks.STATES, states, from)
    from = from + blocks.STATES_SIZE
    segment.states = { byte(states, from, from + 2 * count - 1) }
    from = from + 2 * count
    block[#block + 1] = segment
  end
end

-- The block of the first fifteen bytes of its holds' ids, with its segments in a list.
function blocks.load(key, prefix)
  local block = blocks.known[prefix]
  if block then return block end
  block = {
    key = key, prefix = prefix, open = 0, doubt = 0, was_open = false, was_doubt = false,
    grown = false,
  }
  local found = call('HMGET', key, prefix, prefix .. 's')
  if found[1] then blocks.parse(block, found[1], found[2]) end
  for _, segment in ipairs(block) do
    block.open, block.doubt = block.open + segment.open, block.doubt + segment.doubt
  end
  block.was_open, block.was_doubt = block.open > 0, block.doubt > 0
  blocks.known[prefix] = block
  return block
end

function blocks.of_prefix(prefix)
  local second = floor(read('>I6', prefix) / 1000)
  return blocks.load(store.PREFIX .. N.blocks .. second % N.block_buckets, prefix)
end

-- The block that a batch names by its number.
function blocks.nth(number)
  local given = blocks.given[number]
  return given.block or blocks.load(given.key, given.prefix)
end

-- Segment and index of an unresolved hold, or nil. Mostly the first hold has position 0, and so on.
function blocks.find(block, position)
  local segment = block[1]
  local phase = segment and segment.states[2 * position + 1]
  if phase and phase > PHASE_GONE and position == byte(segment.content,
    segment.records + blocks.POSITION + position * blocks.RECORD_SIZE) then
    return segment, position + 1
  end
  for _, other in ipairs(block) do
    local at = other.records + blocks.POSITION
    for i = 1, other.count do
      local same = byte(other.content, at + (i - 1) * blocks.RECORD_SIZE) == position
      if same and other.states[2 * i - 1] > PHASE_GONE then return other, i end
    end
  end
end

-- Segment and index of the open hold of this portfolio and recipient that booked its slot, or nil.
function blocks.find_booking(block, portfolio, recipient)
  for _, segment in ipairs(block) do
    for i = 1, segment.count do
      if segment.states[2 * i - 1] == PHASE_OPEN and blocks.is_booked(segment.states[2 * i]) then
        local from = segment.records + (i - 1) * blocks.RECORD_SIZE
        local route = segment.routes[byte(segment.content, from + 35)]
        local same = sub(segment.content, from + 8, from + 15) == recipient
        if same and route.portfolio == portfolio then return segment, i end
      end
    end
  end
end

function blocks.is_booked(flags) return flags % FLAG_FREE >= FLAG_BOOKED end

function blocks.set_phase(block, segment, i, phase)
  local before = segment.states[2 * i - 1]
  blocks.changed[block.prefix] = block
  segment.states[2 * i - 1] = phase
  if before == PHASE_OPEN and phase == PHASE_GONE then
    segment.open, block.open = segment.open - 1, block.open - 1
    return
  end
  if before == PHASE_OPEN then
    segment.open, block.open = segment.open - 1, block.open - 1
  elseif before > PHASE_OPEN then
    segment.doubt, block.doubt = segment.doubt - 1, block.doubt - 1
    blocks.doubts = blocks.doubts - 1
  end
  if phase == PHASE_OPEN then
    segment.open, block.open = segment.open + 1, block.open + 1
  elseif phase > PHASE_OPEN then
    segment.doubt, block.doubt = segment.doubt + 1, block.doubt + 1
    blocks.doubts = blocks.doubts + 1
  end
end

-- The idempotency key of a record, by its number.
function blocks.key_of(segment, number)
  local at = segment.records + segment.count * blocks.RECORD_SIZE + 16 * (number - 1)
  return sub(segment.content, at, at + 15)
end

-- A send may be kept under another of its person's recipients.
function blocks.keep_recipient(segment, i, recipient)
  local at = segment.records + (i - 1) * blocks.RECORD_SIZE + 8
  local content = segment.content
  if sub(content, at, at + 7) ~= recipient then
    segment.content = sub(content, 1, at - 1) .. recipient .. sub(content, at + 8)
  end
end

-- Puts the given segment into its block; returns its states.
function blocks.begin_segment(given)
  local segment, block = given.segment, blocks.load(given.key, given.prefix)
  segment.states = { byte(blocks.NONE, 1, 2 * segment.count) }
  segment.block, block[#block + 1], block.grown = block, segment, true
  given.block = block
  return segment.states
end

-- Makes a hold of the given record: `flags` is the sum of those that apply.
function blocks.open(given, i, flags)
  local segment = given.segment
  local states = segment.block and segment.states or blocks.begin_segment(given)
  local block = segment.block
  states[2 * i - 1], states[2 * i] = PHASE_OPEN, flags
  segment.open, block.open = segment.open + 1, block.open + 1
  blocks.changed[block.prefix] = block
end

-- Its place in the order of age.
function blocks.member(block)
  return block.prefix .. pack('>I6', block[1].reserved)
end

function blocks.index(key, block, was, is)
  if is and not was then call('ZADD', key, 0, blocks.member(block)) end
  if was and not is then call('ZREM', key, blocks.member(block)) end
end

function blocks.save(block)
  blocks.index(store.OPEN_INDEX, block, block.was_open, block.open > 0)
  blocks.index(store.DOUBT_INDEX, block, block.was_doubt, block.doubt > 0)
  if block.open + block.doubt == 0 then
    if block.was_open or block.was_doubt then
      call('HDEL', block.key, block.prefix, block.prefix .. 's')
    end
    return
  end
  local states, contents = '', ''
  for _, segment in ipairs(block) do
    states = states
      .. pack(blocks.STATES, segment.reserved, segment.count, segment.open, segment.doubt)
      .. char(unpack(segment.states))
    if block.grown then
      contents = contents .. pack('>I4', #segment.content) .. segment.content
    end
  end
  if block.grown then
    call('HSET', block.key, block.prefix, contents, block.prefix .. 's', states)
  else
    call('HSET', block.key, block.prefix .. 's', states)
  end
end

function blocks.flush()
  for _, block in pairs(blocks.changed) do blocks.save(block) end
end
