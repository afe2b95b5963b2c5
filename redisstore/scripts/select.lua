-- Tells which records of an index match, where to go on, and whether somebody is missing in the index. ARGV: the index, the id to begin
-- after, how many to look at, four texts that must be equal unless they are empty, and whether only records count that are not revoked.
local index, after, limit, live = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[12]
local want, all = {}, true
for i, name in ipairs({'sub', 'own', 'by', 'sid'}) do
  if ARGV[7 + i] ~= '' then want[name], all = ARGV[7 + i], false end
end
local ids = redis.call('ZRANGEBYLEX', base .. index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, limit)
local matching = {}
for _, id in ipairs(ids) do
  local life = redis.call('HMGET', base .. 't:' .. id, 'exp', 'rev', 'place')
  local match = live ~= '1' or not life[2]
  if not life[1] then -- it is not live, and is taken once if it was lost; or else only its place in this index is left of it
    match = live ~= '1' and lost(id)
  elseif match and not all then
    local place = cmsgpack.unpack(life[3])
    for name, value in pairs(want) do match = match and place[name] == value end
  end
  if match then matching[#matching + 1] = id end
end
return answer('done', #ids == limit and ids[#ids] or '', matching, short(index, 'index') or '')
