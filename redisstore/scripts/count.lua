-- Counts who should be in the indexes, which nobody did before schema 3 and which a Reseed begins anew, and puts those back who are missing
-- there. ARGV: how many records or sessions to look at. The marker says where to go on, so that several may do this at once, and somebody
-- else after a crash; it is told whether there are more. Others may write meanwhile: they count whom they add and take out.
local limit = tonumber(ARGV[5])
local of, last = string.match(redis.call('HGET', KEYS[1], 'uncounted') or '', '^(%a+):(.*)$')
if not of then return answer('done', '') end
local first = (redis.call('ZRANK', base .. of, last) or -1) + 1 -- where the last one is gone meanwhile it begins again
local found = redis.call('ZRANGE', base .. of, first, first + limit - 1, 'WITHSCORES')
local touched = {}

local function back(index, score, member)
  redis.call('ZADD', base .. index, score, member)
  touched[index] = true
end

for i = 1, #found, 2 do
  if of == 'untils' then
    local length, rest = string.match(found[i], '^(%d+):(.*)$')
    back('s:' .. string.sub(rest, 1, tonumber(length)), found[i + 1], string.sub(rest, tonumber(length) + 1))
  else
    local place = placeOf(found[i])
    for _, index in ipairs(place and indexesOf(place) or {}) do back(index, 0, found[i]) end
  end
end
for index in pairs(touched) do
  local members = math.max(redis.call('ZCARD', base .. index), tonumber(redis.call('HGET', KEYS[1], index) or 0))
  redis.call('HSET', KEYS[1], index, members)
end

if #found == 2 * limit then
  redis.call('HSET', KEYS[1], 'uncounted', of .. ':' .. found[#found - 1])
elseif of == 'all' then
  redis.call('HSET', KEYS[1], 'uncounted', 'untils:')
else
  redis.call('HDEL', KEYS[1], 'uncounted')
  count()
  return answer('done', '')
end
return answer('done', 'more')
