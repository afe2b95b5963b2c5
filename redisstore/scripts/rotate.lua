-- Adds a successor and retires its predecessor, both or neither.
local id, body, expires, seconds = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local place = {
  root = ARGV[10], own = ARGV[11], dep = tonumber(ARGV[12]), par = ARGV[13], sub = ARGV[14], by = ARGV[15], sid = ARGV[16],
  call = ARGV[17],
}
local old, retire = ARGV[18], ARGV[19]

local was = placeOf(old)
if not was then
  if lost(old) then return answer('damaged', 'record') end
  return answer('missing')
end
local life = redis.call('HMGET', base .. 't:' .. old, 'exp', 'rev', 'suc')
if life[3] then
  local successor = placeOf(life[3])
  if successor and successor.call == place.call then return answer('done') end -- by an earlier attempt of this call
end
if life[2] then return answer('revoked') end
if life[3] then return answer('succeeded') end
if place.par ~= was.par then return answer('elsewhere') end
if place.root ~= was.root or place.own ~= was.own or place.dep ~= was.dep then
  return answer('misplaced', was.root, was.own, was.dep)
end
if placeOf(id) then return answer('exists') end
if lost(id) then return answer('damaged', 'record') end
put(id, body, expires, seconds, place)
redis.call('HSET', base .. 't:' .. id, 'pre', old)
redis.call('HSET', base .. 't:' .. old, 'ret', retire, 'suc', id)
bury('0:' .. old, retire, life[1])
return answer('done')
