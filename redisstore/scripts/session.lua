-- Begins a session or ends some. A session is a score in the set of its subject: its until. ARGV: the subject, the sid, and the until; or
-- no until, to end that session; or neither, to end the subject's first ones. Then how many to end at most, the until by which a session
-- is no longer ended, that by which its death is no longer needed, and whether to write something in any case. It tells how many lived,
-- how many there were, and whether some were lost.
local subject, sid, over, most, past, forgotten, fence = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10], ARGV[11]
local index = 's:' .. subject
local sessions = base .. index

local function name(of, id) return #of .. ':' .. of .. id end

local lived, ended, gone = 0, 0, ''
if over ~= '' then
  local was = redis.call('ZSCORE', sessions, sid)
  if was and tonumber(over) < tonumber(was) and tonumber(was) > tonumber(past) then finish(name(subject, sid), was, over) end
  join(index, over, sid, redis.call('ZADD', base .. 'untils', over, name(subject, sid)) == 0)
  count()
else
  local found = {}
  if sid == '' then
    found = redis.call('ZRANGE', sessions, 0, most - 1, 'WITHSCORES')
    gone = short(index, 'sessions') or ''
  else
    local was = redis.call('ZSCORE', sessions, sid) or redis.call('ZSCORE', base .. 'untils', name(subject, sid))
    if was then found = {sid, was} else gone = short(index, 'sessions') or '' end
  end
  for i = 1, #found, 2 do
    ended = ended + 1
    if tonumber(found[i + 1]) > tonumber(now) then lived = lived + 1 end
    if tonumber(found[i + 1]) > tonumber(past) then finish(name(subject, found[i]), found[i + 1], '') end
    leave(index, found[i])
    redis.call('ZREM', base .. 'untils', name(subject, found[i]))
  end
  if ended > 0 or fence == '1' then count() end
end

-- What was over long ago leaves, somewhat more than came.
for _, member in ipairs(redis.call('ZRANGEBYSCORE', base .. 'untils', '-inf', past, 'LIMIT', 0, ended + 2)) do
  local length, rest = string.match(member, '^(%d+):(.*)$')
  leave('s:' .. string.sub(rest, 1, tonumber(length)), string.sub(rest, tonumber(length) + 1))
  redis.call('ZREM', base .. 'untils', member)
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', base .. 'overs', '-inf', forgotten, 'LIMIT', 0, ended + 2)) do
  redis.call('ZREM', base .. 'overs', member)
  forget(member)
end
return answer('done', lived, ended, gone)
