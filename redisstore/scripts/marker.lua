-- The beginning of every script. KEYS[1] is {prefix}:meta; every other key is built from its tag, so that all lie in one slot of a cluster.
--
-- Moments are 18 digits, microseconds since 1970: as texts they compare as they should, and none is rounded as a number of Lua's would be.
-- '' is "not set", and compares as the earliest.
local base = string.sub(KEYS[1], 1, -5)
local marker = redis.call('HMGET', KEYS[1], 'generation', 'schema', 'reseeded', 'seq', 'deaths', 'incomplete')
local seq = marker[4]

-- answer returns the marker, as it is by now, with a status and what else the script has to tell.
local function answer(status, ...)
  return {marker[1], marker[2], marker[3], seq, status, ...}
end
