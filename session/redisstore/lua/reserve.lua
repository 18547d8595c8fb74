-- Takes one attempt from all counters, or from none and returns how many microseconds to wait for one. A counter holds
-- the time at which it will be idle again. ARGV: now, then for each key burst, every, and 1 to take or 0 to look.
local now, wait, idle = tonumber(ARGV[1]), 0, {}
for i, key in ipairs(KEYS) do
	local burst, every = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
	idle[i] = math.max(now, tonumber(redis.call('GET', key) or 0))
	wait = math.max(wait, idle[i] - now - (burst - 1) * every)
	idle[i] = idle[i] + every
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
	if ARGV[3 * i + 1] == '1' then
		redis.call('SET', key, string.format('%.0f', idle[i]), 'PX', math.ceil((idle[i] - now) / 1000))
	end
end
return 0
