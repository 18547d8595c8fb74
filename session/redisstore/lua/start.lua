-- Starts a session, unless the cut-off forbids it, and ends those beyond the limit. record.go says how a session
-- is packed. ARGV[6]: write something in any case, for WAIT.
local id, value, auth = ARGV[1], ARGV[2], tonumber(ARGV[3])
local limit, now = tonumber(ARGV[4]), tonumber(ARGV[5])

local others, ended = {}, {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
	local field, packed = fields[i], fields[i + 1]
	if field == 'cutoff' then
		local cutoff, forget = struct.unpack('>dd', packed)
		if auth <= cutoff then return 'ended' end
		if forget <= now then redis.call('HDEL', KEYS[1], field) end
	elseif field ~= id then
		local _, _, expiry, _, started = struct.unpack('>ddddd', packed, 81)
		if expiry <= now then
			redis.call('HDEL', KEYS[1], field)
		else
			others[#others + 1] = {id = field, started = started}
		end
	end
end

if limit > 0 and #others >= limit then
	table.sort(others, function(a, b)
		if a.started ~= b.started then return a.started < b.started end
		return a.id < b.id
	end)
	for i = 1, #others + 1 - limit do
		redis.call('HDEL', KEYS[1], others[i].id)
		ended[i] = others[i].id
	end
end

redis.call('HSETNX', KEYS[1], id, value)
if ARGV[6] == '1' then
	redis.call('HSET', KEYS[1], 'fence', '')
	redis.call('HDEL', KEYS[1], 'fence')
end
-- The key lives at least as long as each of its sessions, rounded up to a 1024th of a session's maximum lifetime. So
-- few refreshes have to prolong it.
local _, _, expires, ends, started = struct.unpack('>ddddd', value, 81)
local step = (ends - started) / 1024
if step < 1000 then step = 1000 end
local ttl = math.ceil((expires - expires % step + step - now) / 1000)
if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], math.max(ttl, 1)) end
return ended
