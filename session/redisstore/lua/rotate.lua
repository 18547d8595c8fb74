-- Spends a refresh token by the rules of session.Rotation's Judge. record.go says how a session is packed. ARGV[2] is
-- the state that replaces the stored one if the token is current. Its generation is the token's plus one.
local key, id, state = KEYS[1], ARGV[1], ARGV[2]
local value = redis.call('HGET', key, id)
if not value then return 'ended' end

local sub, unpack = string.sub, struct.unpack
local generation, rotated, expiry, ends, started = unpack('>ddddd', value, 81)
local next, now, expires = unpack('>ddd', state, 81)

if expiry <= now then
	redis.call('HDEL', key, id)
	return 'ended'
end
if next > generation + 1 then return 'refused' end
local token = sub(state, 33, 64)
if next == generation + 1 then
	if sub(value, 1, 32) ~= token then return 'refused' end
	if expires > ends then
		expires = ends
		state = sub(state, 1, 96) .. struct.pack('>d', ends)
	end
	redis.call('HSET', key, id, state .. sub(value, 105))
	-- start.lua says how long the key lives.
	local step = (ends - started) / 1024
	if step < 1000 then step = 1000 end
	local rounded = expires - expires % step
	if rounded > expiry - expiry % step then
		redis.call('PEXPIRE', key, math.ceil((rounded + step - now) / 1000), 'GT')
	end
	return 1
end
local grace = tonumber(ARGV[3])
if next == generation and sub(value, 33, 64) == token
	and (sub(value, 65, 80) == sub(state, 65, 80) or grace > 0 and now - rotated < grace) then
	return sub(value, 1, 32) .. sub(value, 65, 80)
end
redis.call('HDEL', key, id)
return 'reused'
