-- Takes one attempt from all counters, or takes none and returns how many microseconds to wait for one. A counter holds
-- the time at which it will be idle again. ARGV: now, then for each key burst, every, and 1 to take or 0 only to check.
local now, wait, idleAt = tonumber(ARGV[1]), 0, {}
for i, key in ipairs(KEYS) do
	local burst, every = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
	idleAt[i] = math.max(now, tonumber(redis.call('GET', key) or 0))
	wait = math.max(wait, idleAt[i] - now - (burst - 1) * every)
	idleAt[i] = idleAt[i] + every
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
	if ARGV[3 * i + 1] == '1' then
		redis.call('SET', key, string.format('%.0f', idleAt[i]), 'PX', math.ceil((idleAt[i] - now) / 1000))
	end
end
return 0
