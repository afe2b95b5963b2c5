-- Begins a new generation, together with an epoch for everyone. ARGV: the generation, the schema, the reason, two moments that it is not
-- before, and the NotBefore.
if marker[1] and tonumber(marker[2]) > tonumber(ARGV[2]) then return answer('newer') end
local reseeded = math.max(tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(marker[3] or 0) + 1)
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'schema', ARGV[2], 'reason', ARGV[3], 'reseeded', string.format('%.0f', reseeded))
-- The count goes on from the last death, whatever has become of the marker: a replica asks for what came after the last one it was told.
local last = redis.call('ZRANGE', base .. 'dead', -1, -1, 'WITHSCORES')[2]
if last and tonumber(last) > tonumber(seq or 0) then redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', tonumber(last))) end
seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local row = redis.call('HGET', base .. 'deadv', '2:*')
local from = row and string.match(row, '^%d*') or ''
if ARGV[6] > from then from = ARGV[6] end
redis.call('HSET', base .. 'deadv', '2:*', from .. ',,0')
redis.call('ZADD', base .. 'dead', seq, '2:*')
redis.call('SPUBLISH', base .. 'wake', '')
marker = redis.call('HMGET', KEYS[1], 'generation', 'schema', 'reseeded')
return answer('done')
