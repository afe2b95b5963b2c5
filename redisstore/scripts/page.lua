-- Reads the records of an index that come after an id, and tells where to go on. ARGV: the index, the id, and how many at most.
if ARGV[5] == 'all' and redis.call('ZCARD', base .. 'all') ~= redis.call('ZCARD', base .. 'exp') then return answer('damaged', 'index') end
local gone = ARGV[5] ~= 'all' and short(ARGV[5], 'index')
if gone then return answer('damaged', gone) end
local limit = tonumber(ARGV[7])
local ids = redis.call('ZRANGEBYLEX', base .. ARGV[5], ARGV[6] == '' and '-' or '(' .. ARGV[6], '+', 'LIMIT', 0, limit)
local rows = {}
for _, id in ipairs(ids) do
  local fields = row(id)
  if fields[1] then
    rows[#rows + 1] = fields
  elseif lost(id) then
    return answer('damaged', 'record')
  end
end
return answer('done', #ids == limit and ids[#ids] or '', rows)
