-- Marks records and tells where a cascade goes on from them. ARGV: at, by, why, how many children may be told at most, whether to write
-- something in any case, and then pairs: an id, and the last of its children that was told already, or '' for none.
--
-- What is marked takes no child and no successor any more, so what is told of it in the same step is all there is; and if something was
-- lost, a record or who is in an index of children, that is told as well.
local at, by, why, room, fence = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
local found, revoked, next, unfinished, gone = 0, 0, {}, {}, ''

for i = 10, #ARGV, 2 do
  local id, told = ARGV[i], ARGV[i + 1]
  local key = base .. 't:' .. id
  local life = redis.call('HMGET', key, 'exp', 'rev', 'pre', 'suc')
  if life[1] then
    found = found + 1
    if not life[2] then
      redis.call('HSET', key, 'rev', at, 'revby', by, 'why', why)
      bury('0:' .. id, '', life[1])
      revoked = revoked + 1
    end
    if told == '' then
      if life[3] then next[#next + 1] = life[3] end
      if life[4] then next[#next + 1] = life[4] end
    end
  else
    local seconds = lost(id)
    if seconds then -- it is dead here, and is told to replicas; what was next to it nobody knows
      gone = 'record'
      bury('0:' .. id, '', string.format('%012.0f000000', tonumber(seconds)))
    end
  end
  local family = 'par:' .. id
  gone = short(family, 'index') or gone
  local from = told == '' and '-' or '(' .. told
  local children = redis.call('ZRANGEBYLEX', base .. family, from, '+', 'LIMIT', 0, room + 1)
  local tell = math.min(#children, room)
  for j = 1, tell do next[#next + 1] = children[j] end
  room = room - tell
  if #children > tell then
    unfinished[#unfinished + 1] = id
    unfinished[#unfinished + 1] = tell > 0 and children[tell] or told
  end
end
if fence == '1' and not woken then count() end
return answer('done', found, revoked, next, unfinished, gone)
