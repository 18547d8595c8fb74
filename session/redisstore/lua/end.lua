-- Ends a session, and answers 1 if it was there and live.
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
local _, _, expiry = struct.unpack('>ddd', value, 81)
if expiry <= tonumber(ARGV[2]) then return 0 end
return 1
