-- Uses a key up. ARGV: the key, the call's id, and how long to remember the key, in ms; 0: it is over.
local key = base .. 'o:' .. ARGV[5]
local theirs = redis.call('GET', key)
if theirs then
  return answer(theirs == ARGV[6] and 'done' or 'replayed') -- done: by an earlier attempt of this call
end
if ARGV[7] == '0' then return answer('over') end
redis.call('SET', key, ARGV[6], 'PX', ARGV[7])
count()
return answer('done')
