-- Frequency caps: the messages one recipient got lately, kept with the person. KEYS: named by the
-- callers. ARGV: none. Reply: none.

local caps = {}

function caps.covers(rule, category)
  return floor(rule.categories / 2 ^ category) % 2 == 1
end

-- The hits of a person: of the recipient, and of what else it is known as; oldest first.
function caps.hits_of_person(recipient, others)
  local hits = {}
  local function add(packed)
    for from = 1, #packed, people.HIT_SIZE do
      local at, category = read('>I4B', packed, from)
      hits[#hits + 1] = { at = at, category = category }
    end
  end
  add(people.hits_of(people.of(recipient)))
  for _, other in ipairs(others) do add(people.hits_of(people.of(other))) end
  if #others > 0 then table.sort(hits, function(x, y) return x.at < y.at end) end
  return hits
end

-- nil, or the broken rule with the longest wait as a rejection.
function caps.check(rules, hits, category)
  local now_s = floor(store.now / 1000)
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

function caps.add_hit(rules, recipient, category)
  local packed = people.of(recipient)
  local now_s = floor(store.now / 1000)
  local hit = people.hit(now_s, category)
  local hits = people.add_hit(people.hits_of(packed), rules.longest, now_s, hit)
  people.put(recipient, people.with_hits(packed, hits))
end

function caps.remove_hit(recipient, category, at)
  local packed = people.of(recipient)
  local hits, hit = people.hits_of(packed), people.hit(at, category)
  for from = 1, #hits, people.HIT_SIZE do
    if sub(hits, from, from + people.HIT_SIZE - 1) == hit then
      hits = sub(hits, 1, from - 1) .. sub(hits, from + people.HIT_SIZE)
      return people.put(recipient, people.with_hits(packed, hits))
    end
  end
end
