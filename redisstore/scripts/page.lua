-- Reads the records of an index that come after an id. ARGV: the index, the id, and how many at most.
local ids = redis.call('ZRANGEBYLEX', base .. ARGV[5], ARGV[6] == '' and '-' or '(' .. ARGV[6], '+', 'LIMIT', 0, ARGV[7])
local rows = {}
for i, id in ipairs(ids) do rows[i] = row(id) end
return answer('done', rows)
