-- Reads the feed. ARGV: the seq after which, and how many rows at most. It tells the seq of the last row, and in the same step which run of
-- the server this is and which history it writes: one that was a replica meanwhile, and is the primary again, is the same run, and has
-- another history.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local history = string.match(replication, 'master_replid:(%w+)')
if not run or not history then return answer('damaged', 'INFO') end
if not whole() or redis.call('ZCARD', base .. 'dead') ~= tonumber(marker[5]) then return answer('damaged', 'feed') end
local members = redis.call('ZRANGEBYSCORE', base .. 'dead', '(' .. ARGV[5], '+inf', 'LIMIT', 0, ARGV[6])
local rows, last = {}, ARGV[5]
if #members > 0 then
  rows = redis.call('HMGET', base .. 'deadv', unpack(members))
  last = redis.call('ZSCORE', base .. 'dead', members[#members])
end
return answer('done', run .. '-' .. history, members, rows, last)
