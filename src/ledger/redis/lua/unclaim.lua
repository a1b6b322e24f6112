-- Gives a claimed name up, if its owner asks.
-- KEYS: 1 claims of the kind. ARGV: 1 name, 2 owner. Reply: names given up.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
