-- Tells which records of an index match, and where to go on. ARGV: the index, the id to begin after, how many to look at, four texts that
-- must be equal unless they are empty, and whether only records count that are not revoked.
local index, after, limit, live = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[12]
local want = {sub = ARGV[8], own = ARGV[9], by = ARGV[10], sid = ARGV[11]}
local ids = redis.call('ZRANGEBYLEX', base .. index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, limit)
local matching = {}
for _, id in ipairs(ids) do
  local place, match = placeOf(id), true
  for name, value in pairs(want) do
    match = match and place and (value == '' or place[name] == value)
  end
  if match and not (live == '1' and redis.call('HEXISTS', base .. 't:' .. id, 'rev') == 1) then
    matching[#matching + 1] = id
  end
end
return answer('done', #ids == limit and ids[#ids] or '', matching)
