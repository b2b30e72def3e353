-- Adds a session to its user's index. An entry is "expiry JSON"; entries that have expired go when
-- the index is full.
-- KEYS: the index. ARGV: now, session, entry, time to live, most entries, '1' to refuse beyond them.
-- Returns { count }, and when there are more than most, the oldest logins behind it: as many as are too
-- many, and 8; or { -1, all }.
local key, most = KEYS[1], tonumber(ARGV[5])
local count = redis.call('HLEN', key)
local known = redis.call('HEXISTS', key, ARGV[2]) == 1
if count >= most and not known then
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local expiry = tonumber(string.match(all[i + 1], '^%d+') or '0')
    if expiry <= tonumber(ARGV[1]) then
      redis.call('HDEL', key, all[i])
      count = count - 1
    end
  end
  if count >= most and ARGV[6] == '1' then
    return { -1, redis.call('HGETALL', key) }
  end
end
redis.call('HSET', key, ARGV[2], ARGV[3])
if redis.call('PTTL', key) < tonumber(ARGV[4]) then redis.call('PEXPIRE', key, ARGV[4]) end
if known then return { count } end
if count < most then return { count + 1 } end
local all, entries, oldest = redis.call('HGETALL', key), {}, {}
for i = 1, #all, 2 do
  if all[i] ~= ARGV[2] then
    local expiry = tonumber(string.match(all[i + 1], '^%d+') or '0')
    entries[#entries + 1] = { expiry, all[i], all[i + 1] }
  end
end
table.sort(entries, function(one, other) return one[1] < other[1] end)
for i = 1, math.min(#entries, count + 1 - most + 8) do
  oldest[#oldest + 1] = entries[i][2]
  oldest[#oldest + 1] = entries[i][3]
end
return { count + 1, oldest }
