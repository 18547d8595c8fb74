-- Spends a refresh token, as session.Rotation's Judge rules. record.go says how a session is packed.
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then return 'ended' end

local spent, token, successor, nonce = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local now, expires, grace = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local generation, rotated, expiry, ends = struct.unpack('>dddd', value, 81)

if expiry <= now then
	redis.call('HDEL', KEYS[1], ARGV[1])
	return 'ended'
end
if spent > generation then return 'refused' end
if spent == generation then
	if string.sub(value, 1, 32) ~= token then return 'refused' end
	if expires > ends then expires = ends end
	redis.call('HSET', KEYS[1], ARGV[1],
		successor .. token .. nonce .. struct.pack('>ddd', generation + 1, now, expires) .. string.sub(value, 105))
	-- The key lives as long as the longest of its sessions.
	redis.call('PEXPIRE', KEYS[1], math.ceil((expires - now) / 1000), 'GT')
	return 'rotated'
end
if spent == generation - 1 and string.sub(value, 33, 64) == token
	and (string.sub(value, 65, 80) == nonce or grace > 0 and now - rotated < grace) then
	return string.sub(value, 1, 32) .. string.sub(value, 65, 80)
end
redis.call('HDEL', KEYS[1], ARGV[1])
return 'reused'
