-- Moves counters by ARGV[2], ARGV[3], … microseconds: back to return an attempt, ahead to count one at ARGV[1], which is
-- now.
local now = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
	local idle, move = tonumber(redis.call('GET', key) or 0), tonumber(ARGV[i + 1])
	if move > 0 then
		idle = math.max(now, idle) + move
		redis.call('SET', key, string.format('%.0f', idle), 'PX', math.ceil((idle - now) / 1000))
	elseif idle + move > 0 then
		redis.call('SET', key, string.format('%.0f', idle + move), 'KEEPTTL')
	end
end
return 0
