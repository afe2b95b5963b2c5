-- Writes the marker of a store that never had one, or brings a store of an older schema up to date. ARGV: the generation to begin, the
-- schema, and whether the caller has seen no marker here. A store that has data and no marker has lost it.
local left = redis.call('EXISTS', KEYS[1], base .. 'all', base .. 'exp', base .. 'dead', base .. 'deadv', base .. 'untils')
if not marker[1] and ARGV[3] == '1' and left == 0 then
  redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'schema', ARGV[2], 'reseeded', 0, 'seq', 0, 'deaths', 0)
elseif marker[1] and marker[2] == '1' then -- which did not count the deaths
  redis.call('HINCRBY', KEYS[1], 'seq', 1)
  redis.call('HSET', KEYS[1], 'schema', ARGV[2], 'deaths', redis.call('HLEN', base .. 'deadv'))
end
marker = redis.call('HMGET', KEYS[1], 'generation', 'schema', 'reseeded', 'seq')
seq = marker[4]
return answer('done')
