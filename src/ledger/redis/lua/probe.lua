-- Writes as a batch that takes on a send does, so that the server refuses it in the same cases.
-- KEYS: 1 the key written, 2 identity. ARGV: 1 what is written. Reply: identity or '', the server's
-- time in milliseconds.
redis.call('SET', KEYS[1], ARGV[1])
local time = redis.call('TIME')
return { redis.call('GET', KEYS[2]) or '', time[1] * 1000 + math.floor(time[2] / 1000) }
