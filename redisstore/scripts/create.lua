-- Adds a record. Whoever revokes the parent marks it by a script, too: a child is there before its parent dies, or is refused.
local id, body, expires, seconds, created = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local place = {
  root = ARGV[10], own = ARGV[11], dep = tonumber(ARGV[12]), par = ARGV[13], sub = ARGV[14], by = ARGV[15], sid = ARGV[16],
  call = ARGV[17],
}

local there = placeOf(id)
if there and there.call == place.call then return answer('done') end -- by an earlier attempt of this call
if place.par ~= '' then
  local parent = placeOf(place.par)
  if not parent then
    if lost(place.par) then return answer('damaged', 'record') end
    return answer('revoked')
  end
  local life = redis.call('HMGET', base .. 't:' .. place.par, 'exp', 'rev', 'ret')
  if life[2] or (life[3] and life[3] <= now) or created >= life[1] then return answer('revoked') end
  if place.root ~= parent.root or place.own ~= parent.own or place.dep ~= parent.dep + 1 then
    return answer('misplaced', parent.root, parent.own, parent.dep + 1)
  end
end
if there then return answer('exists') end
if lost(id) then return answer('damaged', 'record') end
put(id, body, expires, seconds, place)
return answer('done')
