-- Reports that a gateway is alive, and counts those that did lately. KEYS: 1 gateways. ARGV: 1 the
-- gateway's name, 2 for how many milliseconds a report counts. Reply: gateways alive.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - tonumber(ARGV[2])))
return redis.call('ZCARD', KEYS[1])
