-- Reads the feed. ARGV: the seq after which, and how many rows at most. It tells which run of the server this is, too, in the same step.
local members = redis.call('ZRANGEBYSCORE', base .. 'dead', '(' .. ARGV[5], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[6])
local rows = {}
for i = 1, #members, 2 do
  rows[#rows + 1] = {members[i], members[i + 1], redis.call('HGET', base .. 'deadv', members[i])}
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return answer('done', run or '', rows)
