-- Decides about one send and takes its credits. Keys: wallet, window, cap, once, campaign, usage.
-- Arguments: amount, recipient, messaging limit, cap, channel, category, now in seconds.
local wallet, window, cap, once, campaign, usage = unpack(KEYS)
local amount, now = tonumber(ARGV[1]), tonumber(ARGV[7])
if redis.call("HGET", campaign, "stopped") then return "campaign_stopped" end
if redis.call("EXISTS", once) == 1 then return "already_sent" end
if tonumber(redis.call("GET", cap) or 0) >= tonumber(ARGV[4]) then return "frequency_capped" end
-- A rolling day of different people; each leaves it a day after the last message.
redis.call("ZREMRANGEBYSCORE", window, "-inf", now - 86400)
local known = redis.call("ZSCORE", window, ARGV[2])
if not known and redis.call("ZCARD", window) >= tonumber(ARGV[3]) then
    return "messaging_limit_reached"
end
if tonumber(redis.call("HGET", wallet, "balance") or 0) < amount then
    redis.call("HSET", campaign, "stopped", "credits_exhausted")
    return "insufficient_balance"
end
redis.call("HINCRBY", wallet, "balance", -amount)
redis.call("ZADD", window, now, ARGV[2])
if redis.call("INCR", cap) == 1 then redis.call("EXPIRE", cap, 86400) end
redis.call("SET", once, 1, "EX", 10)
redis.call("HINCRBY", campaign, "sent", 1)
redis.call("HINCRBY", campaign, "spent", amount)
redis.call("HINCRBY", usage, ARGV[5] .. ":" .. ARGV[6] .. ":messages", 1)
redis.call("HINCRBY", usage, ARGV[5] .. ":" .. ARGV[6] .. ":credits", amount)
return "ok"
