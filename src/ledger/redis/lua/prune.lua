-- What is past its retention goes a little with each sweep, the oldest day first. The account keeps
-- of each kind the first day that is not pruned. KEYS: none, names are made here. ARGV: days to
-- keep of usage, of events, of campaigns, of references. Reply: none.

local prune = {}

prune.DAYS = 16 -- of one kind in a sweep at most
prune.FIELDS = { 'usage_from', 'events_from', 'campaigns_from', 'references_from' }
prune.ITEMS = 64 -- of one kind in a sweep at most
prune.SHARDS = 192 -- that are looked through in a sweep at most: all within a day of hourly ones
prune.EVENTS = 1024 -- that go with a sweep at most
prune.BEHIND = 2 -- how many days a zone may be behind UTC, and a gateway's clock

function prune.begin()
  prune.first_event = nil -- before it this run drops all events
end

-- From which day on there can be anything, when an account begins.
function prune.begin_days()
  local first = store.text(state.today() - prune.BEHIND)
  store.put(store.ACCOUNT, 'usage_from', first)
  store.put(store.ACCOUNT, 'events_from', first)
  store.put(store.ACCOUNT, 'campaigns_from', first)
  store.put(store.ACCOUNT, 'references_from', first)
end

function prune.read()
  return {
    usage = args.number(), events = args.number(), campaigns = args.number(),
    references = args.number(),
  }
end

-- The first day that is not pruned, and the first that is kept. An account of a version that pruned
-- nothing may have some as old as any that was ever kept.
function prune.over(field, kept_days)
  local today = state.today()
  return math.max(store.number(store.ACCOUNT, field), today - N.max_kept_days), today - kept_days
end

-- Days of usage go whole.
function prune.usage(kept_days)
  local first, till = prune.over('usage_from', kept_days)
  local upto = math.min(till, first + prune.DAYS)
  for day = first, upto - 1 do store.empty(state.dated(N.usage, day)) end
  if first < upto then store.put(store.ACCOUNT, 'usage_from', store.text(upto)) end
  return upto < till
end

-- The account keeps the last event of each day that has any.
function prune.events(kept_days)
  local begin, till = prune.over('events_from', kept_days)
  local day, gone = begin, store.number(store.ACCOUNT, 'first_event')
  local days, first, most = store.name(N.event_days), gone, gone + prune.EVENTS
  while day < math.min(till, begin + prune.DAYS) do
    local last = tonumber(store.get(days, store.text(day)) or nil)
    if last then
      first = math.min(last + 1, most)
      if first <= last then break end
      store.put(days, store.text(day), false)
    end
    day = day + 1
  end
  if first > gone then
    prune.first_event = first
    store.put(store.ACCOUNT, 'first_event', store.text(first))
  end
  if day > begin then store.put(store.ACCOUNT, 'events_from', store.text(day)) end
  return day < till
end

-- Ends a campaign that nobody has used; returns how many more this sweep may look at.
function prune.campaign(campaign, left)
  if not campaign.dedupe and campaign.held == 0 then
    campaigns.remove(campaign)
    return left - 1
  end
  if campaign.held == 0 then
    -- Nobody is written to twice because a campaign was forgotten: it is finished first, and its
    -- recipients are kept as long as always.
    if campaign.reason ~= REASON_FINISHED then
      campaigns.end_for_good(campaign)
      return 0
    elseif campaign.since + campaigns.SENT_KEPT_S * 1000 <= store.now then
      campaigns.remove(campaign)
      return 0
    end
  end
  -- It is looked at again when its days are over once more.
  campaign.changed = true
  return left - 1
end

-- What this run has used or removed is still listed.
function prune.listed_campaign(id, left)
  local campaign = state.campaign_of(id)
  if campaign and not campaign.changed then return prune.campaign(campaign, left) end
  return left
end

function prune.listed_reference(listed, left, list)
  local sequence, size = read('>I6I2', listed)
  local key, reference = store.PREFIX .. sub(listed, 9, 8 + size), sub(listed, 9 + size)
  local found = store.get(key, reference)
  if not found or tonumber(string.match(found, '^%d+')) ~= sequence then return left end
  store.put(key, reference, false)
  store.unlist(list, listed)
  return left - 1
end

-- Goes through a list; returns how many more this sweep may end.
function prune.list(list, left, each)
  local from = 0
  repeat
    local listed = call('ZRANGE', list, from, from + prune.ITEMS - 1)
    for _, item in ipairs(listed) do
      left = each(item, left, list)
      if left == 0 then return 0 end
    end
    from = from + #listed
  until #listed < prune.ITEMS
  return left
end

-- The lists of one day.
function prune.campaigns(day)
  local lists, list = {}, state.dated(N.campaign_days, day)
  for part = 0, N.campaign_parts - 1 do lists[part + 1] = list .. ':' .. part end
  return lists
end

function prune.references(day)
  return { state.dated(N.reference_days, day) }
end

-- What is listed by day.
function prune.listed(lists, field, kept_days, each)
  local begin, till = prune.over(field, kept_days)
  local day, left = begin, prune.ITEMS
  while left > 0 and day < math.min(till, begin + prune.DAYS) do
    for _, list in ipairs(lists(day)) do
      if left > 0 then left = prune.list(list, left, each) end
    end
    if left > 0 then day = day + 1 end
  end
  if day > begin then store.put(store.ACCOUNT, field, store.text(day)) end
  return day < till
end

-- What counts for nothing any more goes with the sends of a busy account; here where there are few.
-- Returns whether there is more than one sweep looks through.
function prune.expired()
  local people = store.get(store.ACCOUNT, 'cleaned') and window.clean(prune.SHARDS)
  local aliases = store.get(store.ACCOUNT, 'aliases') and alias.clean(prune.SHARDS)
  return people or aliases
end

-- Prunes some of what is past; returns whether there is more.
function prune.run(kept)
  store.fetch(store.ACCOUNT, prune.FIELDS)
  local usage, events = prune.usage(kept.usage), prune.events(kept.events)
  local used = prune.listed(prune.campaigns, 'campaigns_from', kept.campaigns,
    prune.listed_campaign)
  local booked = prune.listed(prune.references, 'references_from', kept.references,
    prune.listed_reference)
  return prune.expired() or usage or events or used or booked
end
