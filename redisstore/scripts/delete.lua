-- Drops records that nothing has come of. ARGV: the second at which they had expired, how many of the first to pass over, how many to look
-- at, and how many to drop at most. Like touching, it counts as no write.
if redis.call('ZCARD', base .. 'exp') ~= redis.call('ZCARD', base .. 'all') then return answer('damaged', 'index') end
local ids = redis.call('ZRANGEBYSCORE', base .. 'exp', '-inf', ARGV[5], 'LIMIT', ARGV[6], ARGV[7])
local kept, dropped = 0, 0
for _, id in ipairs(ids) do
  if dropped == tonumber(ARGV[8]) then break end
  local place, successor = placeOf(id), redis.call('HGET', base .. 't:' .. id, 'suc')
  local parent = redis.call('EXISTS', base .. 'par:' .. id) == 1 or short('par:' .. id, 'index')
  if parent or (successor and redis.call('EXISTS', base .. 't:' .. successor) == 1) then
    kept = kept + 1
  else
    dropped = dropped + 1
    redis.call('DEL', base .. 't:' .. id)
    redis.call('ZREM', base .. 'all', id)
    redis.call('ZREM', base .. 'exp', id)
    redis.call('HDEL', base .. 'used', id)
    forget('0:' .. id)
    for _, index in ipairs(place and indexesOf(place) or {}) do leave(index, id) end
  end
end
return answer('done', #ids, kept, dropped)
