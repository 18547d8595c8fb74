-- Ends all sessions but one, and sets the cut-off. That is a write in any case, for WAIT.
local keep, now, forget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local cutoff, ended = now, {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
	local field, packed = fields[i], fields[i + 1]
	if field == 'cutoff' then
		local cutoffBefore, forgetBefore = struct.unpack('>dd', packed)
		cutoff, forget = math.max(cutoff, cutoffBefore), math.max(forget, forgetBefore)
	elseif field ~= keep then
		local _, _, expiry = struct.unpack('>ddd', packed, 81)
		if expiry > now then ended[#ended + 1] = field end
		redis.call('HDEL', KEYS[1], field)
	end
end
redis.call('HSET', KEYS[1], 'cutoff', struct.pack('>dd', cutoff, forget))
local ttl = math.ceil((forget - now) / 1000)
if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], math.max(ttl, 1)) end
return ended
