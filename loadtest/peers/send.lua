-- A send in nginx: key to account, body to price, one script in Redis that takes the credits or
-- refuses; what upstream refuses is given back.
local cjson = require "cjson.safe"
local redis = require "nginx.redis"

-- In a day's work these are a file that is loaded at start.
local accounts = {
    ["load-test-key-0000000001"] = { id = "load", messaging_limit = 100000000, cap = 100 },
}
local categories = { ["spring_offer/en_US"] = "marketing" }
-- Micro-credits by calling code and category.
local prices = {
    ["1"] = { marketing = 25000, utility = 3400, service = 3400 },
    ["44"] = { marketing = 63500, utility = 22000, service = 22000 },
    ["49"] = { marketing = 136500, utility = 55000, service = 55000 },
    ["55"] = { marketing = 62500, utility = 6800, service = 6800 },
    ["62"] = { marketing = 41100, utility = 25000, service = 25000 },
    ["91"] = { marketing = 11800, utility = 1400, service = 1400 },
}

local file = assert(io.open((debug.getinfo(1, "S").source:match "^@(.*/)") .. "policy.lua"))
local script = file:read "*a"
file:close()
local digest

local function reject(status, name)
    ngx.status = status
    ngx.header["Tollgate-Rejection"] = name
    ngx.header["Content-Type"] = "application/json"
    ngx.say(cjson.encode { error = { message = name, type = "Rejection" } })
    return ngx.exit(status)
end

local function price(to, category)
    local digits = to:gsub("^%+", "")
    for length = 3, 1, -1 do
        local row = prices[digits:sub(1, length)]
        if row then return row[category], digits end
    end
end

local function evaluate(address, keys, arguments)
    local client = redis:new()
    client:set_timeout(1000)
    local host, port = address:match "^(.*):(%d+)$"
    local connected, problem = client:connect(host, tonumber(port))
    if not connected then return nil, problem end
    if not digest then digest = assert(client:script("load", script)) end
    local call = { digest, #keys }
    for _, key in ipairs(keys) do call[#call + 1] = key end
    for _, argument in ipairs(arguments) do call[#call + 1] = argument end
    local verdict
    verdict, problem = client:evalsha(unpack(call))
    -- A restarted server has lost the script.
    if problem and problem:find "^NOSCRIPT" then digest = nil end
    client:set_keepalive(10000, 128)
    return verdict, problem
end

local M = {}

function M.access()
    local account = accounts[(ngx.var.http_authorization or ""):match "^Bearer (.*)$" or ""]
    if not account then return reject(401, "invalid_key") end
    local channel = ngx.var.uri:match "/(%d+)/messages$"
    if not channel then return reject(404, "path_not_allowed") end
    ngx.req.read_body()
    local body = ngx.req.get_body_data()
    local message = body and cjson.decode(body)
    if not message or type(message.to) ~= "string" then return reject(400, "invalid_message") end
    local template = message.template
    local category = template and categories[template.name .. "/" .. template.language.code]
    local amount, recipient = price(message.to, category or "service")
    if not amount then return reject(422, "unpriced") end
    local campaign = ngx.var.http_tollgate_campaign or ""
    local once = ngx.var.http_idempotency_key or ngx.md5(body)
    local id = account.id
    local keys = {
        "wallet:" .. id, "window:" .. id, "cap:" .. id .. ":" .. recipient,
        "once:" .. id .. ":" .. once, "campaign:" .. id .. ":" .. campaign, "usage:" .. id,
    }
    local verdict, problem = evaluate(ngx.var.redis, keys, {
        amount, recipient, account.messaging_limit, account.cap, channel,
        category or "service", string.format("%.3f", ngx.now()),
    })
    if not verdict then
        ngx.log(ngx.ERR, "redis: ", problem)
        return reject(503, "ledger_unavailable")
    end
    if verdict == "insufficient_balance" then return reject(402, verdict) end
    if verdict ~= "ok" then return reject(429, verdict) end
    ngx.ctx.taken = { wallet = keys[1], amount = amount, redis = ngx.var.redis }
end

-- Sockets are not to be had while logging, so what is given back is given back a moment later.
function M.log()
    local taken, status = ngx.ctx.taken, ngx.status
    if not taken or status < 400 or status >= 500 then return end
    ngx.timer.at(0, function()
        local client = redis:new()
        local host, port = taken.redis:match "^(.*):(%d+)$"
        if client:connect(host, tonumber(port)) then
            client:hincrby(taken.wallet, "balance", taken.amount)
            client:set_keepalive(10000, 128)
        end
    end)
end

return M
