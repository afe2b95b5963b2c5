-- Begins a new generation, together with an epoch for everyone. ARGV: the generation, the schema, the reason, two moments that it is not
-- before, and the NotBefore.
if marker[1] and (tonumber(marker[2]) or 0) > tonumber(ARGV[2]) then return answer('newer') end
local all, exp, dead, deadv = base .. 'all', base .. 'exp', base .. 'dead', base .. 'deadv'

-- The count goes on from the last death, whatever has become of the marker: a replica asks for what came after the last one it was told.
local last = tonumber(redis.call('ZRANGE', dead, -1, -1, 'WITHSCORES')[2]) or 0
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', math.max(last, tonumber(seq) or 0)))
local function count()
  seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
  return seq
end

-- What is kept in two keys, one of which was lost, is what the other one holds. This is the one script that takes as long as the store is
-- large, and only then. The indexes are made again afterwards, by count.lua, in steps.
if redis.call('HLEN', deadv) ~= redis.call('ZCARD', dead) then
  for _, member in ipairs(redis.call('ZRANGE', dead, 0, -1)) do
    if redis.call('HEXISTS', deadv, member) == 0 then redis.call('ZREM', dead, member) end
  end
  for _, member in ipairs(redis.call('HKEYS', deadv)) do
    if not redis.call('ZSCORE', dead, member) then redis.call('ZADD', dead, count(), member) end
  end
end
if redis.call('ZCARD', all) ~= redis.call('ZCARD', exp) then
  redis.call('ZUNIONSTORE', all, 2, all, exp, 'WEIGHTS', 0, 0)
  for _, id in ipairs(redis.call('ZRANGE', all, 0, -1)) do
    local expires = redis.call('HGET', base .. 't:' .. id, 'exp')
    if expires then redis.call('ZADD', exp, string.sub(expires, 1, -7), id) end
  end
end

local reseeded = math.max(tonumber(ARGV[4]), tonumber(ARGV[5]), (tonumber(marker[3]) or 0) + 1)
local row = redis.call('HGET', deadv, '2:*')
local from = row and string.match(row, '^%d*') or ''
if ARGV[6] > from then from = ARGV[6] end
redis.call('HSET', deadv, '2:*', from .. ',,0')
redis.call('ZADD', dead, count(), '2:*')
-- All counts of indexes go with the marker. There may be millions, which takes seconds unless it is left to another thread; DEL is for a
-- user who has no right to that.
if type(redis.pcall('UNLINK', KEYS[1])) == 'table' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'schema', ARGV[2], 'reason', ARGV[3], 'reseeded', string.format('%.0f', reseeded),
  'seq', seq, 'deaths', redis.call('HLEN', deadv), 'uncounted', 'all:', 'incomplete', 1)
redis.call('SPUBLISH', base .. 'wake', '')
marker = redis.call('HMGET', KEYS[1], 'generation', 'schema', 'reseeded')
return answer('done')
