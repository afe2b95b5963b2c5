-- A look-up: whatever is asked for, it is told in the same step as the marker. ARGV: the kind of question, and names.
local question, name = ARGV[5], ARGV[6]
if question == 'token' then
  return answer('done', unpack(redis.call('HMGET', base .. 't:' .. name, 'exp', 'rev', 'ret')))
elseif question == 'record' then
  return answer('done', row(name))
elseif question == 'session' then
  return answer('done', redis.call('ZSCORE', base .. 's:' .. name, ARGV[7]))
elseif question == 'epoch' then
  return answer('done', unpack(redis.call('HMGET', base .. 'deadv', '2:' .. name, '2:*')))
end
return answer('done')
