-- Reads a session, and notes that it was seen when that is due.
-- KEYS: the session. ARGV: token, now, time to live.
local all, at, found = redis.call('HGETALL', KEYS[1]), {}, 0
for i = 1, #all, 2 do
  local name = all[i]
  if name == 'token' or name == 'seen' or name == 'created' then
    at[name] = i + 1
    found = found + 1
    if found == 3 then break end
  end
end
if found == 3 and all[at.token] == ARGV[1] then
  local now, seen, created = tonumber(ARGV[2]), tonumber(all[at.seen]), tonumber(all[at.created])
  if seen and created then
    local quiet, left = now - seen, created + ABSOLUTE - now
    if quiet < IDLE and left > 0 and math.abs(quiet) >= SLIDE_AFTER then
      redis.call('HSET', KEYS[1], 'seen', ARGV[2])
      redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[3]), left))
      all[at.seen] = ARGV[2]
    end
  end
end
return all
