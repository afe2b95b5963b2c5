-- Tells which records of an index match, and where to go on. ARGV: the index, the id to begin after, how many to look at, four texts that
-- must be equal unless they are empty, and whether only records count that are not revoked.
local index, after, limit, live = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[12]
local want, all = {}, true
for i, name in ipairs({'sub', 'own', 'by', 'sid'}) do
  if ARGV[7 + i] ~= '' then want[name], all = ARGV[7 + i], false end
end
local ids = redis.call('ZRANGEBYLEX', base .. index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, limit)
local matching = {}
for _, id in ipairs(ids) do
  local match = true
  if not all then
    local place = placeOf(id)
    for name, value in pairs(want) do match = match and place and place[name] == value end
  end
  if match and not (live == '1' and redis.call('HEXISTS', base .. 't:' .. id, 'rev') == 1) then
    matching[#matching + 1] = id
  end
end
return answer('done', #ids == limit and ids[#ids] or '', matching)
