-- Reads a session, and notes that it was seen when that is due.
-- KEYS: the session. ARGV: token, now, time to live.
local f = redis.call('HMGET', KEYS[1], 'token', 'seen', 'created')
if f[1] == ARGV[1] then
  local now, seen, created = tonumber(ARGV[2]), tonumber(f[2] or ''), tonumber(f[3] or '')
  if seen and created then
    local quiet, left = now - seen, created + ABSOLUTE - now
    if quiet < IDLE and left > 0 and math.abs(quiet) >= SLIDE_AFTER then
      redis.call('HSET', KEYS[1], 'seen', ARGV[2])
      redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[3]), left))
    end
  end
end
return redis.call('HGETALL', KEYS[1])
