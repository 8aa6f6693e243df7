#!lua name=peer
-- What an event does to its user's keys; KEYS[1] is the user, args are its time in ms and its kind.

local GAP, STEP, LATENESS = 1800000, 300000, 5000

-- A list of start, end, events for each session, by time; an event may be up to LATENESS late, so
-- only the last sessions are looked at.
local function session(keys, args)
    local key, at = keys[1], tonumber(args[1])
    local tail = redis.call('LRANGE', key, -6, -1)
    local n = #tail
    if n == 0 or at - tonumber(tail[n - 1]) > GAP then
        redis.call('RPUSH', key, at, at, 1)
        return
    end
    local first, last, events = tonumber(tail[n - 2]), tonumber(tail[n - 1]), tonumber(tail[n])
    if at >= first - GAP then
        if n == 6 and at < first and at - tonumber(tail[2]) <= GAP then
            -- it bridges the last two
            redis.call('LTRIM', key, 0, -4)
            redis.call('LSET', key, -2, math.max(last, at))
            redis.call('LSET', key, -1, tonumber(tail[3]) + events + 1)
            return
        end
        if at < first then redis.call('LSET', key, -3, at) end
        if at > last then redis.call('LSET', key, -2, at) end
        redis.call('LSET', key, -1, events + 1)
        return
    end
    -- of the session before
    if n == 6 and at - tonumber(tail[2]) <= GAP then
        redis.call('LSET', key, -4, tonumber(tail[3]) + 1)
        if at > tonumber(tail[2]) then redis.call('LSET', key, -5, at) end
    end
end

-- Panes of five minutes; twelve make a window.
local function view(keys, args)
    redis.call('HINCRBY', keys[1], math.floor(tonumber(args[1]) / STEP), 1)
end

-- Carts that wait; purchases of the last moments, for carts that come late.
local function cart(keys, args)
    local carts, bought, at = 'c:' .. keys[1], 'p:' .. keys[1], tonumber(args[1])
    if args[2] == 'purchase' then
        redis.call('ZREMRANGEBYSCORE', carts, at - GAP, '(' .. at)
        redis.call('ZADD', bought, at, at)
        redis.call('ZREMRANGEBYSCORE', bought, '-inf', at - LATENESS)
        return
    end
    if #redis.call('ZRANGEBYSCORE', bought, '(' .. at, at + GAP, 'LIMIT', 0, 1) == 0 then
        redis.call('ZADD', carts, at, at)
    end
end

redis.register_function('session', session)
redis.register_function('view', view)
redis.register_function('cart', cart)
