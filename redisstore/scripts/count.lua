-- Counts who should be in the indexes, which nobody did before schema 3 and which a Reseed begins anew, and puts those records back that are
-- missing there. A session that is missing is ended: while it was, whoever ended the subject's sessions did not find it, and may have been
-- told that all is done. ARGV: how many records or sessions to look at. The marker says where to go on, so that several may do this at
-- once, and somebody else after a crash; it is told whether there are more. Others may write meanwhile: they count whom they add and take
-- out.
local limit = tonumber(ARGV[5])
local of, last = string.match(redis.call('HGET', KEYS[1], 'uncounted') or '', '^(%a+):(.*)$')
if not of then return answer('done', '') end
local touched, found, stays = {}, nil, nil

if of == 'untils' then
  -- Where the last one has another until meanwhile, or is gone, it goes on from the until that it had.
  local score, member = string.match(last, '^([^:]*):(.*)$')
  local first = redis.call('ZCOUNT', base .. of, '-inf', '(' .. score)
  if tonumber(redis.call('ZSCORE', base .. of, member) or '') == tonumber(score) then first = redis.call('ZRANK', base .. of, member) + 1 end
  found = redis.call('ZRANGE', base .. of, first, first + limit - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local length, rest = string.match(found[i], '^(%d+):(.*)$')
    local index, sid = 's:' .. string.sub(rest, 1, tonumber(length)), string.sub(rest, tonumber(length) + 1)
    if redis.call('ZSCORE', base .. index, sid) then
      touched[index], stays = true, found[i + 1] .. ':' .. found[i]
    else
      finish(found[i], found[i + 1], '')
      leave(index, sid)
      redis.call('ZREM', base .. of, found[i])
    end
  end
else
  local first = (redis.call('ZRANK', base .. of, last) or -1) + 1 -- where the last one is gone meanwhile it begins again
  found = redis.call('ZRANGE', base .. of, first, first + limit - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local place = placeOf(found[i])
    for _, index in ipairs(place and indexesOf(place) or {}) do
      redis.call('ZADD', base .. index, 0, found[i])
      touched[index] = true
    end
    stays = found[i]
  end
end
for index in pairs(touched) do
  local members = math.max(redis.call('ZCARD', base .. index), tonumber(redis.call('HGET', KEYS[1], index) or 0))
  redis.call('HSET', KEYS[1], index, members)
end

if #found == 2 * limit then
  if stays then redis.call('HSET', KEYS[1], 'uncounted', of .. ':' .. stays) end
elseif of == 'all' then
  redis.call('HSET', KEYS[1], 'uncounted', 'untils:-inf:')
else
  redis.call('HDEL', KEYS[1], 'uncounted', 'incomplete')
  count()
  return answer('done', '')
end
return answer('done', 'more')
