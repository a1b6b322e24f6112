-- Reading of arguments: each call takes the next one. KEYS: any, by the index an argument gives.
-- ARGV: as encode.rs writes it. Reply: none.

local args = {}

args.position = 0

function args.text()
  args.position = args.position + 1
  return ARGV[args.position]
end

function args.number()
  args.position = args.position + 1
  return tonumber(ARGV[args.position])
end

function args.flag()
  return args.text() == '1'
end

function args.key()
  args.position = args.position + 1
  return KEYS[tonumber(ARGV[args.position])]
end

-- A day or month: its index, and from when till when it lasts.
function args.span()
  return { index = args.number(), from = args.number(), till = args.number() }
end

-- nil for thresholds that stay unchanged.
function args.thresholds()
  local given = args.text()
  if given == ARG_THRESHOLDS_SAME then return nil end
  local list = {}
  for below in string.gmatch(given, '%-?%d+') do list[#list + 1] = tonumber(below) end
  return list
end

-- Cap rules are written as categories:max:window_s,...; a batch repeats the same text, so it is
-- read once.
args.rules_read = {}

function args.rules()
  local packed = args.text()
  local rules = args.rules_read[packed]
  if rules then return rules end
  rules = {}
  for categories, max, window_s in string.gmatch(packed, '(%d+):(%d+):(%d+)') do
    rules[#rules + 1] = {
      categories = tonumber(categories), max = tonumber(max), window_s = tonumber(window_s),
    }
  end
  args.rules_read[packed] = rules
  return rules
end

-- Numbers and hashes first, then the indexes of the keys, then texts with their lengths. One
-- argument for all but the cap rules: sends are most of what is asked, and each argument costs.
args.RESERVE =
  '>c16c8c16I8I8i8BBBBBI4i4i8i8I4I4' .. string.rep('I2', 12) .. string.rep('Bc0', 7)

function args.reserve()
  local hold, recipient, fingerprint, version, valid_until, amount, category, auto_create, guarding,
    observe, allowed, free, month, from, till, limit, replay_s, bucket, campaign_key,
    campaign_index, sent, slots, counts, cap_hits, guards, first, second, third, fourth, wallet,
    campaign, channel, country, portfolio, key, spelled =
    struct.unpack(args.RESERVE, args.text())
  return {
    hold = hold, recipient = recipient, fingerprint = fingerprint, version = version,
    valid_until = valid_until, amount = amount, category = category,
    auto_create = auto_create == 1, guarding = guarding == 1, observe = observe == 1, observed = '',
    allowance = allowed == 1 and free,
    month = { index = month, from = from, till = till }, limit = limit,
    replay_ms = replay_s * 1000, bucket = KEYS[bucket], campaign_key = KEYS[campaign_key],
    campaign_index = KEYS[campaign_index], sent = KEYS[sent],
    slots = KEYS[slots], counts = KEYS[counts], cap_hits = KEYS[cap_hits], guards = KEYS[guards],
    key_buckets = { KEYS[first], KEYS[second], KEYS[third], KEYS[fourth] }, wallet = wallet,
    campaign = campaign, channel = channel, country = country, portfolio = portfolio, key = key,
    spelled = spelled, caps = args.rules(),
  }
end
