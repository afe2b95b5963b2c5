-- Reads the feed. ARGV: the seq after which, and how many rows at most. It tells which run of the server this is, too, in the same step, and
-- the seq of the last row.
local members = redis.call('ZRANGEBYSCORE', base .. 'dead', '(' .. ARGV[5], '+inf', 'LIMIT', 0, ARGV[6])
local rows, last = {}, ARGV[5]
if #members > 0 then
  rows = redis.call('HMGET', base .. 'deadv', unpack(members))
  last = redis.call('ZSCORE', base .. 'dead', members[#members])
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return answer('done', run or '', members, rows, last)
