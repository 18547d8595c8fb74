-- Gives one attempt back.
for i = 1, 2 do
	local idle = tonumber(redis.call('GET', KEYS[i]) or 0) - tonumber(ARGV[i])
	if idle > 0 then redis.call('SET', KEYS[i], string.format('%.0f', idle), 'KEEPTTL') end
end
return 0
