-- Changes counters by ARGV[2], ARGV[3], … microseconds: less than 0 gives one attempt back, more than 0 takes one at
-- ARGV[1], which is now.
local now = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
	local idleAt, change = tonumber(redis.call('GET', key) or 0), tonumber(ARGV[i + 1])
	if change > 0 then
		idleAt = math.max(now, idleAt) + change
		redis.call('SET', key, string.format('%.0f', idleAt), 'PX', math.ceil((idleAt - now) / 1000))
	elseif idleAt + change > 0 then
		redis.call('SET', key, string.format('%.0f', idleAt + change), 'KEEPTTL')
	end
end
return 0
