-- Takes one attempt under both limits. If there is none, takes nothing and answers how many microseconds to wait.
-- A counter holds the time at which it will be idle again.
local now, wait, idle = tonumber(ARGV[1]), 0, {}
for i = 1, 2 do
	local burst, every = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
	idle[i] = math.max(now, tonumber(redis.call('GET', KEYS[i]) or 0))
	wait = math.max(wait, idle[i] - now - (burst - 1) * every)
	idle[i] = idle[i] + every
end
if wait > 0 then return wait end
for i = 1, 2 do
	redis.call('SET', KEYS[i], string.format('%.0f', idle[i]), 'PX', math.ceil((idle[i] - now) / 1000))
end
return 0
