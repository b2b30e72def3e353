-- Ends a session, for whoever has its token or for its user, and leaves a mark for a while, so that
-- requests in flight are told from cookies that are merely old.
-- KEYS: the session. ARGV: token or user, why (token, user; reuse of the token before the present
-- one), now, time the mark stays; for its user also a time: only if it was not seen since.
-- Returns 1; 0; -1 when it has ended before; when it was seen.
local f = redis.call('HMGET', KEYS[1], 'token', 'user', 'prev', 'renewed', 'reads', 'ended', 'seen',
  'created')
if not f[1] then return f[6] and -1 or 0 end
local mine = ARGV[2] == 'user' and f[2] == ARGV[1] or ARGV[2] == 'reuse' and f[3] == ARGV[1]
if ARGV[2] == 'token' then
  mine = f[1] == ARGV[1]
    or f[3] == ARGV[1] and f[5] == '1' and ARGV[3] - f[4] < GRACE
end
if not mine then return 0 end
if ARGV[5] then
  local now, seen, created = tonumber(ARGV[3]), tonumber(f[7] or ''), tonumber(f[8] or '')
  if not (seen and created and now - seen < IDLE and now - created < ABSOLUTE) then return -1 end
  if seen > tonumber(ARGV[5]) then return seen end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
