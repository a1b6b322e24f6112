-- What sends of a batch share, each named once: blocks, terms, cap rules, days. KEYS: buckets of
-- blocks; of terms the campaign, its index, the counts. ARGV: encode.rs writes it. Reply: none.

local terms = { FIELDS = '>I8i8I4I4I4BBI2I2I2I2c0' }

-- Rules that were parsed, by their text; of all accounts, as long as they are few.
terms.MOST_KNOWN = 256
terms.known, terms.known_count = {}, 0

function terms.read()
  terms.list, terms.days = {}, {}
  local given, at, count = args.given, args.at, nil
  count, at = read('B', given, at)
  for i = 1, count do
    local key, prefix, content
    key, prefix, content, at = read('>I2c15I4c0', given, at)
    local block = { key = args.keys[key], prefix = prefix, block = false, segment = false }
    if content ~= '' then block.segment = blocks.segment(content) end
    blocks.given[i] = block
  end
  count, at = read('B', given, at)
  for i = 1, count do
    local version, valid_until, limit, replay_s, free, flags, rules, campaign, index, counts, route
    version, valid_until, limit, replay_s, free, flags, rules, campaign, index, counts, route, at =
      read(terms.FIELDS, given, at)
    terms.list[i] = {
      turn = 0, version = version, valid_until = valid_until, limit = limit, replay_s = replay_s,
      free = free, flags = flags, caps = rules, campaign_key = campaign, campaign_index = index,
      counts = counts, route = route, plain = false, wallet = false, campaign = false,
      portfolio = false, covered = false, slot = '', hit = '', first = '', high = 0, low = 0,
      most = 0, longest = 0,
    }
  end
  args.at = at
  terms.rules = args.list()
  count, args.at = read('B', given, args.at)
  for i = 1, count do terms.days[i] = args.span() end
end

-- Cap rules are written as categories:max:window_s,...
function terms.rules_of(number)
  local rules = terms.rules[number]
  local list = terms.known[rules]
  if list then return list end
  list = { longest = 0, least = people.MAX_HITS }
  for categories, max, window_s in string.gmatch(rules, '(%d+):(%d+):(%d+)') do
    local rule = {
      categories = tonumber(categories), max = tonumber(max), window_s = tonumber(window_s),
    }
    list[#list + 1] = rule
    list.longest = math.max(list.longest, rule.window_s)
    list.least = math.min(list.least, rule.max)
  end
  if terms.known_count >= terms.MOST_KNOWN then terms.known, terms.known_count = {}, 0 end
  terms.known[rules], terms.known_count = list, terms.known_count + 1
  return list
end

-- The index of a day or month by the ledger's clock, if that is on the other side of a boundary
-- than the gateway's.
function terms.index_at(span, now)
  if now < span.from then return span.index - 1 end
  if now >= span.till then return span.index + 1 end
  return span.index
end

-- The usage of the day that a settle names, by the ledger's clock.
function terms.usage_on(span)
  local usage = span.usage
  if not usage then
    local day = terms.index_at(span, store.now)
    usage = state.usage[day] or {}
    span.usage, state.usage[day] = usage, usage
  end
  return usage
end
