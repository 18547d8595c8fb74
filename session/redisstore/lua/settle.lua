-- Changes counters by ARGV[2], ARGV[3], … microseconds: less than 0 gives one attempt back, more than 0 takes one at
-- ARGV[1], which is now.
local now = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
	local idle_at, change = tonumber(redis.call('GET', key) or 0), tonumber(ARGV[i + 1])
	if change > 0 then
		idle_at = math.max(now, idle_at) + change
		redis.call('SET', key, string.format('%.0f', idle_at), 'PX', math.ceil((idle_at - now) / 1000))
	elseif idle_at + change > 0 then
		redis.call('SET', key, string.format('%.0f', idle_at + change), 'KEEPTTL')
	end
end
return 0
