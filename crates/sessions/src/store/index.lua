-- Keeps a user's index. A field is a session, its value "when it was last known to be seen, in 13
-- digits; JSON". Beside them, once the index was full:
--   oldest    the sessions not seen for longest, in order, so that not each login looks at all; in
--             front of them the latest of their times
--   leaving   ";time:session" for each that a login was given to end, while nobody has told what
--             became of it; these count no more, and after a while another login is given them
-- KEYS: the index. ARGV: now, most sessions, what to do beyond them (refuse, look, end, nothing),
-- time to live, the request's session, its entry or ''; then what is known of others, in threes:
--   over S seen   it is over; unless it was seen after that
--   back S seen   a login was given it, and did not end it
--   seen S seen   it lives
-- Returns { 1 if the entry is new }, and behind it what to do with { session, seen, … }: 'refused'
-- and 'look' look at them, 'end' end them, 'again' too, and tell at once.
local TIME, A_WHILE, A_FEW, MANY = 13, 10000, 8, 100
local key, most, beyond, own = KEYS[1], tonumber(ARGV[2]), ARGV[3], ARGV[5]
local now, time = tonumber(ARGV[1]), string.rep('0', TIME - #ARGV[1]) .. ARGV[1]
local function seen(entry) return string.sub(entry, 1, TIME) end

local before, oldest, leaving
local function open()
  if before then return end
  before = redis.call('HMGET', key, 'oldest', 'leaving')
  oldest, leaving = before[1] or '', before[2] or ''
end
local function close(new, what, sessions)
  if before and (oldest ~= (before[1] or '') or leaving ~= (before[2] or '')) then
    redis.call('HSET', key, 'oldest', oldest, 'leaving', leaving)
  end
  return { new, what, sessions }
end
local function count()
  local others = (before[1] and 1 or 0) + (before[2] and 1 or 0)
  return redis.call('HLEN', key) - others - #leaving / (NAME + TIME + 2)
end
local function is_leaving(name) return string.find(leaving, ':' .. name, 1, true) end
local function stays(name)
  local at = is_leaving(name)
  if at then
    leaving = string.sub(leaving, 1, at - TIME - 2) .. string.sub(leaving, at + NAME + 1)
  end
end
-- Finds the sessions not seen for longest, `least` of them or more.
local function sort(least)
  local all, found, skip = redis.call('HGETALL', key), {}, { [own] = true }
  for name in string.gmatch(leaving, ':([^;]+)') do skip[name] = true end
  for i = 1, #all, 2 do
    if #all[i] == NAME and not skip[all[i]] then found[#found + 1] = seen(all[i + 1]) .. all[i] end
  end
  table.sort(found)
  local last = math.min(#found, math.max(least, math.floor(most / 2)))
  oldest = last > 0 and seen(found[last]) or ''
  for i = 1, last do found[i] = string.sub(found[i], TIME + 1) end
  oldest = oldest .. table.concat(found, '', 1, last)
end

for i = 7, #ARGV, 3 do
  open()
  local what, name, entry = ARGV[i], ARGV[i + 1], redis.call('HGET', key, ARGV[i + 1])
  if what == 'over' then
    if entry and seen(entry) <= ARGV[i + 2] then
      redis.call('HDEL', key, name)
      stays(name)
    end
  elseif entry and (what == 'back' or not is_leaving(name)) then
    if seen(entry) < ARGV[i + 2] then
      redis.call('HSET', key, name, ARGV[i + 2] .. string.sub(entry, TIME + 1))
    end
    stays(name)
  end
end

local new = 0
if ARGV[6] ~= '' then
  if beyond == 'refuse' and redis.call('HEXISTS', key, own) == 0 then
    open()
    if count() >= most then return close(0, 'refused', redis.call('HGETALL', key)) end
  end
  new = redis.call('HSET', key, own, ARGV[6])
  if redis.call('PTTL', key) < tonumber(ARGV[4]) then redis.call('PEXPIRE', key, ARGV[4]) end
  if new == 0 then
    open()
    stays(own)
  end
end
if beyond == 'refuse' or beyond == 'nothing' or redis.call('HLEN', key) <= most then
  return close(new)
end

open()
local sessions, what = {}, 'end'
local function give(name, entry)
  sessions[#sessions + 1] = name
  sessions[#sessions + 1] = seen(entry)
  if beyond == 'end' then leaving = leaving .. ';' .. time .. ':' .. name end
end
-- Of those that a login was given long ago nobody has told.
while #leaving > 0 and #sessions < 2 * A_FEW and beyond == 'end' do
  local given = tonumber(string.sub(leaving, 2, TIME + 1))
  if now - given < A_WHILE and #leaving <= MANY * (NAME + TIME + 2) then break end
  local name = string.sub(leaving, TIME + 3, TIME + NAME + 2)
  leaving = string.sub(leaving, TIME + NAME + 3)
  local entry = redis.call('HGET', key, name)
  if entry then
    what = 'again'
    give(name, entry)
  end
end
local excess, sorted = math.min(count() - most, MANY), false
if excess > 0 and beyond == 'look' then
  sort(A_FEW + excess)
  for at = TIME + 1, TIME + (A_FEW + excess) * NAME, NAME do
    local name = string.sub(oldest, at, at + NAME - 1)
    if name == '' then break end
    give(name, redis.call('HGET', key, name))
  end
  return close(new, 'look', sessions)
end
while excess > 0 do
  if #oldest <= TIME then
    if sorted then break end
    sort(excess)
    sorted = true
  end
  local name, latest = string.sub(oldest, TIME + 1, TIME + NAME), seen(oldest)
  oldest = latest .. string.sub(oldest, TIME + NAME + 1)
  local entry = name ~= own and redis.call('HGET', key, name)
  if entry and seen(entry) <= latest then
    give(name, entry)
    excess = excess - 1
  end
end
if #sessions == 0 then return close(new) end
return close(new, what, sessions)
