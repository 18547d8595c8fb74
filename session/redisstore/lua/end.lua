-- Ends a session, and answers 1 if it was there and live. ARGV[3]: write something in any case, for WAIT.
local value = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[3] == '1' then
	redis.call('HSET', KEYS[1], 'fence', '')
	redis.call('HDEL', KEYS[1], 'fence')
end
if not value then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
local _, _, expiry = struct.unpack('>ddd', value, 81)
if expiry <= tonumber(ARGV[2]) then return 0 end
return 1
