-- A look-up: whatever is asked for, it is told in the same step as the marker. ARGV: the kind of question, and names.
local question, name = ARGV[5], ARGV[6]
if question == 'token' then
  local life = redis.call('HMGET', base .. 't:' .. name, 'exp', 'rev', 'ret')
  if not life[1] and lost(name) then return answer('damaged', 'record') end
  return answer('done', unpack(life))
elseif question == 'record' then
  local fields = row(name)
  if not fields[1] and lost(name) then return answer('damaged', 'record') end
  return answer('done', fields)
elseif question == 'session' then
  local over = redis.call('ZSCORE', base .. 's:' .. name, ARGV[7])
  if not over and redis.call('ZSCORE', base .. 'untils', #name .. ':' .. name .. ARGV[7]) then return answer('damaged', 'sessions') end
  return answer('done', over)
elseif question == 'epoch' then
  if not whole() then return answer('damaged', 'feed') end
  return answer('done', unpack(redis.call('HMGET', base .. 'deadv', '2:' .. name, '2:*')))
end
return answer('done')
