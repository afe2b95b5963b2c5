-- Moves an epoch forward. It is a row of the feed, kind 2, that never expires. ARGV: the subject, what to add to its version, a NotBefore
-- or '', and whether to write something in any case.
if not whole() then return answer('damaged', 'feed') end
local member, fence = '2:' .. ARGV[5], ARGV[8]
local was, _, version = death(member)
local from = was or ''
if ARGV[7] > from then from = ARGV[7] end
local new = tonumber(version or 0) + tonumber(ARGV[6])
if from ~= (was or '') or new ~= tonumber(version or 0) then
  enter(member, from, '', string.format('%d', new))
elseif fence == '1' then
  count()
end
return answer('done', string.format('%d', new), from, (death('2:*')) or '')
