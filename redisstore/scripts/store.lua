-- What the scripts share that read and write the store. ARGV[1] and ARGV[2] are the generation and the least seq that the caller believes,
-- or '' if it has seen none yet; ARGV[3] is the schema it knows; ARGV[4] is its clock. A store that shows something else is left alone: the
-- caller judges the marker first. A replica is not even judged: it answers from the past, and one that may be written to forgets what it
-- was told.
local replication = redis.call('INFO', 'replication')
if not string.find(replication, 'role:master', 1, true) then return answer('replica') end
if not marker[1] or marker[2] ~= ARGV[3] or (ARGV[1] ~= '' and (marker[1] ~= ARGV[1] or tonumber(seq) < tonumber(ARGV[2]))) then
  return answer('unbelieved')
end
local now = ARGV[4]

-- count counts a write. A store that shows fewer than it did has been rolled back.
local function count()
  seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
  return seq
end

local woken = false

-- whole says whether there are as many rows of the feed as were entered. They are counted in the marker, because a key that is gone cannot
-- tell that it was there: no rows would be no epochs, and nobody dead.
local function whole()
  return redis.call('HLEN', base .. 'deadv') == tonumber(marker[5])
end

-- enter writes a row of the feed, or moves it to its end: scripts run one at a time, so the order of seq is the order of writes.
local function enter(member, from, expires, version)
  if redis.call('HSET', base .. 'deadv', member, from .. ',' .. expires .. ',' .. version) == 1 then
    redis.call('HINCRBY', KEYS[1], 'deaths', 1)
  end
  redis.call('ZADD', base .. 'dead', count(), member)
  if not woken then
    woken = true
    redis.call('SPUBLISH', base .. 'wake', '')
  end
end

-- forget drops a row of the feed.
local function forget(member)
  if redis.call('HDEL', base .. 'deadv', member) == 1 then redis.call('HINCRBY', KEYS[1], 'deaths', -1) end
  redis.call('ZREM', base .. 'dead', member)
end

-- death returns from, expires and version of a row of the feed, or nothing.
local function death(member)
  local row = redis.call('HGET', base .. 'deadv', member)
  if row then
    return string.match(row, '^(%d*),(%d*),(%d+)$')
  end
end

-- bury enters a death. Of two deaths of one thing the earlier counts, and it is kept for the longer.
local function bury(member, from, expires)
  local was, until_then = death(member)
  if was then
    if was < from then from = was end
    if until_then > expires then expires = until_then end
  end
  enter(member, from, expires, 0)
end

-- finish enters the death of a session, named as in untils, that would be over at a score.
local function finish(session, score, from)
  bury('1:' .. session, from, string.format('%018.0f', tonumber(score)))
  redis.call('ZADD', base .. 'overs', 'GT', score, '1:' .. session)
end

-- lost returns the second at which a record expires that is not there although the store knows of it, or nothing: who drops a record
-- takes it out of this set as well. Nobody knows any more whether it was revoked, nor what came of it.
local function lost(id)
  return redis.call('ZSCORE', base .. 'exp', id)
end

-- An index is a set of some records, or of the sessions of one subject. The marker counts who should be in it, because an index that is gone
-- looks like one that nobody is in. One that has no count and members is older than the counts, or than a Reseed, and count.lua has not
-- come to it yet.

-- join adds a member to an index. known: it has been counted there before.
local function join(index, score, member, known)
  local added = redis.call('ZADD', base .. index, score, member)
  if known then added = 0 end
  if redis.call('HINCRBY', KEYS[1], index, added) == added then -- it had no count
    redis.call('HSET', KEYS[1], index, redis.call('ZCARD', base .. index))
  end
end

-- leave takes a member out of an index, also where the index is gone. The count is never less than who is in it.
local function leave(index, member)
  redis.call('ZREM', base .. index, member)
  local counted, there = redis.call('HINCRBY', KEYS[1], index, -1), redis.call('ZCARD', base .. index)
  if counted <= 0 and there == 0 then
    redis.call('HDEL', KEYS[1], index)
  elseif counted < there then
    redis.call('HSET', KEYS[1], index, there)
  end
end

-- short returns what is gone if fewer are in an index than should be, or nothing. More never are. A Reseed that has not finished has begun
-- the counts anew, perhaps because of an index that is gone, and has not made it again: then nobody knows of any.
local function short(index, what)
  if marker[6] then return 'incomplete' end
  local members = redis.call('HGET', KEYS[1], index)
  return members and redis.call('ZCARD', base .. index) < tonumber(members) and what
end

-- indexesOf returns those that a record of this place is in, beside all and exp.
local function indexesOf(place)
  local indexes = {'sub:' .. place.sub, 'own:' .. place.own, 'by:' .. place.by}
  if place.par ~= '' then indexes[#indexes + 1] = 'par:' .. place.par end
  if place.sid ~= '' then indexes[#indexes + 1] = 'sid:' .. place.sid end
  return indexes
end

-- put adds a record whose id is free. place is what scripts have to know of it; body is the record itself, for Go only.
local function put(id, body, expires, seconds, place)
  redis.call('HSET', base .. 't:' .. id, 'body', body, 'exp', expires, 'place', cmsgpack.pack(place))
  redis.call('ZADD', base .. 'all', 0, id)
  redis.call('ZADD', base .. 'exp', seconds, id)
  for _, index in ipairs(indexesOf(place)) do join(index, 0, id) end
  count()
end

-- placeOf returns the place of a record, or nil.
local function placeOf(id)
  local place = redis.call('HGET', base .. 't:' .. id, 'place')
  return place and cmsgpack.unpack(place) or nil
end

-- row returns what a record is made of, for Go.
local function row(id)
  local fields = redis.call('HMGET', base .. 't:' .. id, 'body', 'ret', 'suc', 'rev', 'revby', 'why')
  fields[7] = redis.call('HGET', base .. 'used', id)
  return fields
end
