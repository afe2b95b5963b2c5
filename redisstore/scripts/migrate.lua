-- Writes the marker of a store that never had one, or brings a store of an older schema up to date. ARGV: the generation to begin, the
-- schema, and what the caller believes in: a generation, or '' if it has seen and expects none, the least seq, and when that generation was
-- begun. A store that has data and no marker has lost it. One that is not the caller's, or that lost what the caller saw, is left as it is:
-- it may be another's, and counting this write would hide that it is one behind. See count.lua for what is left to do then.
local left = redis.call('EXISTS', KEYS[1], base .. 'all', base .. 'exp', base .. 'dead', base .. 'deadv', base .. 'untils')
local believed = ARGV[3] == ''
if marker[1] == ARGV[3] then
  believed = (tonumber(seq) or 0) >= tonumber(ARGV[4])
elseif marker[1] and not believed then
  believed = (tonumber(marker[3]) or 0) > tonumber(ARGV[5])
end
if not marker[1] and ARGV[3] == '' and left == 0 then
  redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'schema', ARGV[2], 'reseeded', 0, 'seq', 0, 'deaths', 0)
elseif marker[1] and believed and (marker[2] == '1' or marker[2] == '2') then
  redis.call('HINCRBY', KEYS[1], 'seq', 1)
  if marker[2] == '1' then redis.call('HSET', KEYS[1], 'deaths', redis.call('HLEN', base .. 'deadv')) end
  redis.call('HSET', KEYS[1], 'schema', ARGV[2], 'uncounted', 'all:')
end
marker = redis.call('HMGET', KEYS[1], 'generation', 'schema', 'reseeded', 'seq')
seq = marker[4]
return answer('done')
