-- Frequency caps: the messages one recipient got lately, kept in sharded hashes by the recipient's
-- hash. KEYS: named by the callers. ARGV: none. Reply: none.

local caps = {}

caps.MAX_HITS = 255
caps.MAX_WINDOW_S = 2592000
caps.TIDY_MS = 600000

function caps.covers(rule, category)
  return math.floor(rule.categories / 2 ^ category) % 2 == 1
end

-- Hits are five bytes each, oldest first: the second, and the category.
function caps.hits_of(key, recipient)
  local packed, hits = store.get(key, recipient) or '', {}
  for from = 1, #packed, 5 do
    local at, category = struct.unpack('>I4B', packed, from)
    hits[#hits + 1] = { at = at, category = category }
  end
  return hits
end

function caps.put_hits(key, recipient, hits)
  local packed = {}
  for i, hit in ipairs(hits) do packed[i] = struct.pack('>I4B', hit.at, hit.category) end
  store.put(key, recipient, #packed > 0 and table.concat(packed))
end

-- The hits of a person: of the recipient, and of what else it is known as.
function caps.hits_of_person(key, recipient, others)
  local hits = caps.hits_of(key, recipient)
  if #others == 0 then return hits end
  for _, other in ipairs(others) do
    local name = store.name(N.cap_hits, store.shard(other))
    for _, hit in ipairs(caps.hits_of(name, other)) do hits[#hits + 1] = hit end
  end
  table.sort(hits, function(x, y) return x.at < y.at end)
  return hits
end

-- nil, or the broken rule with the longest wait as a rejection.
function caps.check(rules, hits, category)
  local now_s = math.floor(store.now / 1000)
  local worst, longest
  for _, rule in ipairs(rules) do
    if caps.covers(rule, category) then
      local counted = {}
      for _, hit in ipairs(hits) do
        if caps.covers(rule, hit.category) and hit.at > now_s - rule.window_s then
          counted[#counted + 1] = hit.at
        end
      end
      if #counted >= rule.max then
        local wait = (counted[#counted - rule.max + 1] or now_s) + rule.window_s - now_s
        if not worst or wait > longest then worst, longest = rule, wait end
      end
    end
  end
  return worst and { REJECTION_FREQUENCY_CAPPED, worst.max, worst.window_s, longest }
end

-- One shard every ten minutes loses the recipients whose hits are past every allowed window.
function caps.clean()
  local turn = math.floor(store.now / caps.TIDY_MS)
  if store.number(store.ACCOUNT, 'cap_hits_turn') == turn then return end
  store.put(store.ACCOUNT, 'cap_hits_turn', store.text(turn))
  local key = store.name(N.cap_hits, turn % N.shards)
  local begin = math.floor(store.now / 1000) - caps.MAX_WINDOW_S
  for recipient in pairs(store.fields_of(key)) do
    local hits = caps.hits_of(key, recipient)
    if #hits > 0 and hits[#hits].at <= begin then store.put(key, recipient, false) end
  end
end

-- Adds a hit if some rule counts the category; returns its second, or nil.
function caps.add_hit(rules, key, recipient, category)
  local covered, longest = false, 0
  for _, rule in ipairs(rules) do
    covered = covered or caps.covers(rule, category)
    longest = math.max(longest, rule.window_s)
  end
  if not covered then return nil end
  caps.clean()
  local now_s, kept = math.floor(store.now / 1000), {}
  for _, hit in ipairs(caps.hits_of(key, recipient)) do
    if hit.at > now_s - longest then kept[#kept + 1] = hit end
  end
  if #kept >= caps.MAX_HITS then table.remove(kept, 1) end
  kept[#kept + 1] = { at = now_s, category = category }
  caps.put_hits(key, recipient, kept)
  return now_s
end

function caps.remove_hit(recipient, category, at)
  local key = store.name(N.cap_hits, store.shard(recipient))
  local hits = caps.hits_of(key, recipient)
  for i, hit in ipairs(hits) do
    if hit.at == at and hit.category == category then
      table.remove(hits, i)
      caps.put_hits(key, recipient, hits)
      return
    end
  end
end
