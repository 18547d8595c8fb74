-- Takes one attempt from a known client's allowance and returns -1, or takes it from all of the account's counters and
-- returns 0, or takes none and returns how many microseconds to wait for one. KEYS: when the account forgets the
-- client, the allowance, and the other counters. ARGV: now, then for each counter burst, every and 1.
local now, wait, idleAt = tonumber(ARGV[1]), 0, {}
local first, last, taken = 3, #KEYS, 0
if tonumber(redis.call('GET', KEYS[1]) or 0) > now then
	first, last, taken = 2, 2, -1
end
for i = first, last do
	local burst, every = tonumber(ARGV[3 * i - 4]), tonumber(ARGV[3 * i - 3])
	idleAt[i] = math.max(now, tonumber(redis.call('GET', KEYS[i]) or 0))
	wait = math.max(wait, idleAt[i] - now - (burst - 1) * every)
	idleAt[i] = idleAt[i] + every
end
if wait > 0 then return wait end
for i = first, last do
	redis.call('SET', KEYS[i], string.format('%.0f', idleAt[i]), 'PX', math.ceil((idleAt[i] - now) / 1000))
end
return taken
