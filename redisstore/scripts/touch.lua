-- Moves last_used_at forward. ARGV: the moment, and ids. It counts as no write: nobody is let in because it was lost.
for i = 6, #ARGV do
  local was = redis.call('HGET', base .. 'used', ARGV[i])
  if not (was and was >= ARGV[5]) and redis.call('EXISTS', base .. 't:' .. ARGV[i]) == 1 then
    redis.call('HSET', base .. 'used', ARGV[i], ARGV[5])
  end
end
return answer('done')
