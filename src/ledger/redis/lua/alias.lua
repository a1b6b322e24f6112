-- Aliases: recipients that upstream's answers have shown to be one person, kept in sharded hashes
-- by the recipient's hash. What is kept of a person is looked for under all of them. KEYS: none;
-- names are made here. ARGV: learn: the recipients, eight bytes each. Reply: alias learned:
-- changed.

local alias = {}

alias.MAX_PERSON = 4
alias.MAX_PART = 256
alias.KEPT_DAYS = 365
alias.CONFIRMED_DAYS = 30
alias.DAY_MS = 86400000
alias.TIDY_MS = 600000
alias.NOBODY = {}

function alias.today()
  return floor(store.now / alias.DAY_MS)
end

function alias.name(recipient)
  return store.name(N.aliases, store.shard(recipient))
end

function alias.is_live(packed)
  return alias.today() - read('>I4', packed) <= alias.KEPT_DAYS
end

function alias.live(recipient)
  local packed = store.get(alias.name(recipient), recipient)
  return packed and alias.is_live(packed) and packed or nil
end

-- The person's other recipients. An account whose aliases field is missing has none, so
-- that a send costs no look-up.
function alias.others_of(recipient)
  if not store.get(store.ACCOUNT, 'aliases') then return alias.NOBODY end
  local packed = alias.live(recipient)
  if not packed then return alias.NOBODY end
  local others = {}
  for from = 5, #packed, 8 do others[#others + 1] = sub(packed, from, from + 7) end
  return others
end

-- Whether a shard has room for a whole person; what is past its time is not counted.
function alias.has_room(recipient)
  local live = 0
  for _, packed in pairs(store.all(alias.name(recipient))) do
    if alias.is_live(packed) then live = live + 1 end
  end
  return live + alias.MAX_PERSON <= alias.MAX_PART
end

-- The whole person, if there is anything to write: one that has become larger or was not confirmed
-- lately, is not too large, and finds room; else nil.
function alias.check(recipients)
  local person, known = {}, {}
  local function add(recipient)
    if not known[recipient] then
      known[recipient] = true
      person[#person + 1] = recipient
    end
  end
  for _, recipient in ipairs(recipients) do
    add(recipient)
    for _, other in ipairs(alias.others_of(recipient)) do add(other) end
  end
  if #person < 2 or #person > alias.MAX_PERSON then return nil end
  local changed = false
  for _, recipient in ipairs(person) do
    local packed = alias.live(recipient)
    if not packed and not alias.has_room(recipient) then return nil end
    changed = changed or not packed or #packed ~= 4 + 8 * (#person - 1)
      or alias.today() - read('>I4', packed) >= alias.CONFIRMED_DAYS
  end
  return changed and person or nil
end

-- A shard loses what is past its time; returns how much it had.
function alias.clean_shard(shard)
  local key, had = store.name(N.aliases, shard), 0
  for recipient, packed in pairs(store.all(key)) do
    had = had + 1
    if not alias.is_live(packed) then store.put(key, recipient, false) end
  end
  return had
end

-- One shard every ten minutes. The field that says how far it got also says that there are any.
function alias.clean(most)
  return store.walk('aliases', alias.TIDY_MS, N.shards, most, alias.clean_shard)
end

function alias.learn()
  local given, recipients = args.text(), {}
  for from = 1, #given, 8 do recipients[#recipients + 1] = sub(given, from, from + 7) end
  local person = alias.check(recipients)
  if not person then return state.say(V_ALIAS_LEARNED, 0) end
  for i, recipient in ipairs(person) do
    local others = {}
    for j, other in ipairs(person) do
      if j ~= i then others[#others + 1] = other end
    end
    local packed = pack('>I4', alias.today()) .. table.concat(others)
    store.put(alias.name(recipient), recipient, packed)
  end
  alias.clean(1)
  state.say(V_ALIAS_LEARNED, 1)
end
