-- Saves what one request changed, all of it or nothing.
-- KEYS: the session. ARGV: mode (new, use, renew, login), token, next token, now, request's start,
-- time to live, user; then operations:
--   set F V   del F   check F V (refuse all unless it is V; '' is absent)
--   incr F N   push F V most-bytes   add F V   swap F V W   take F   park F V G
-- Returns { status, seen was written, result of the operation }; { status, field }; { status, reads }.
local DONE, UNKNOWN, ENDED, CONFLICT, FULL, UNFIT, REUSED = 1, 0, -1, -2, -3, -4, -5
local key, mode, now = KEYS[1], ARGV[1], tonumber(ARGV[4])
local fresh = mode == 'new' and redis.call('EXISTS', key) == 0
local f = fresh and {} or redis.call('HMGET', key, 'token', 'seen', 'created', 'ended', 'user')
local token, seen, created = f[1], tonumber(f[2] or ''), tonumber(f[3] or '')
local alive = token and seen and created and now - seen < IDLE and now - created < ABSOLUTE

local holds = ARGV[2]
if mode ~= 'use' and token == ARGV[3] then
  -- A second try: the id is there already. Since the first, more may have changed, or another user
  -- may have logged in.
  holds = token
  mode = ARGV[7] == '' and 'use' or 'login'
end
if mode == 'new' then
  if token or f[4] then return { UNKNOWN } end
elseif not alive or token ~= holds then
  if f[4] and tonumber(f[4]) >= tonumber(ARGV[5]) then return { ENDED } end
  if alive then
    local p = redis.call('HMGET', key, 'prev', 'renewed', 'reads')
    local renewed, last = tonumber(p[2] or ''), p[1] == ARGV[2]
    if renewed then
      -- Whoever has the first part of the id had all of it once. Nothing is wrong with a request
      -- that was under way when the id was renewed.
      if renewed >= tonumber(ARGV[5]) or last and now - renewed < GRACE then return { ENDED } end
      return { REUSED, last and p[3] or '0' }
    end
  end
  return { UNKNOWN }
end

-- The values that are there, and how many.
local function values()
  local has, count = {}, 0
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 2) == 'd:' then
      has[name] = true
      count = count + 1
    end
  end
  return has, count
end

local adds, i = 0, 8
while ARGV[i] do
  local op = ARGV[i]
  if op == 'check' then
    if (redis.call('HGET', key, ARGV[i + 1]) or '') ~= ARGV[i + 2] then
      return { CONFLICT, ARGV[i + 1] }
    end
    i = i + 3
  elseif op == 'del' or op == 'take' then
    i = i + 2
  else
    if op ~= 'park' and op ~= 'incr' then adds = adds + 1 end
    i = i + ((op == 'set' or op == 'incr' or op == 'add') and 3 or 4)
  end
end
if adds > 0 and (fresh and 0 or redis.call('HLEN', key)) + adds > MOST then
  local has, count = values()
  i = 8
  while ARGV[i] do
    local op, name = ARGV[i], ARGV[i + 1]
    if op == 'del' or op == 'take' then
      if has[name] then count = count - 1 end
      has[name] = nil
      i = i + 2
    else
      if op ~= 'check' and op ~= 'park' and not has[name] then
        has[name] = true
        count = count + 1
      end
      i = i + ((op == 'set' or op == 'incr' or op == 'add' or op == 'check') and 3 or 4)
    end
  end
  if count > MOST then return { FULL } end
end

-- At most one operation can still fail; it comes first, so that nothing was written by then.
local result = false
local set = { 'HSET', key }
i = 8
while ARGV[i] do
  local op, name = ARGV[i], ARGV[i + 1]
  if op == 'set' then
    set[#set + 1] = name
    set[#set + 1] = ARGV[i + 2]
    i = i + 3
  elseif op == 'del' then
    redis.call('HDEL', key, name)
    i = i + 2
  elseif op == 'check' then
    i = i + 3
  elseif op == 'incr' then
    result = redis.pcall('HINCRBY', key, name, ARGV[i + 2])
    if type(result) == 'table' then
      local unfit = string.find(result.err, 'integer') or string.find(result.err, 'overflow')
      if unfit then return { UNFIT } end
      return result -- trouble of the store's, such as READONLY
    end
    if result == tonumber(ARGV[i + 2]) and redis.call('HLEN', key) > MOST then
      local _, count = values() -- it may be new
      if count > MOST then
        redis.call('HDEL', key, name)
        return { FULL }
      end
    end
    -- Numbers of Lua are not exact beyond 2^53.
    if math.abs(result) >= 2 ^ 53 then result = redis.call('HGET', key, name) end
    i = i + 3
  elseif op == 'push' then
    local list = redis.call('HGET', key, name)
    if not list or list == '[]' then
      list = '[' .. ARGV[i + 2] .. ']'
    elseif string.sub(list, 1, 1) == '[' then
      list = string.sub(list, 1, -2) .. ',' .. ARGV[i + 2] .. ']'
    else
      return { UNFIT }
    end
    if #list > tonumber(ARGV[i + 3]) then return { UNFIT } end
    redis.call('HSET', key, name, list)
    result = list
    i = i + 4
  elseif op == 'add' then
    result = redis.call('HSETNX', key, name, ARGV[i + 2])
    if result == 0 then result = redis.call('HGET', key, name) end
    i = i + 3
  elseif op == 'swap' then
    result = redis.call('HGET', key, name)
    if (result or '') == ARGV[i + 2] then
      redis.call('HSET', key, name, ARGV[i + 3])
      result = 1
    end
    i = i + 4
  elseif op == 'take' then
    result = redis.call('HGET', key, name)
    if result then redis.call('HDEL', key, name) end
    i = i + 2
  else -- park
    if redis.call('HGET', key, name) == ARGV[i + 2] then
      redis.call('HDEL', key, name)
      if redis.call('HLEN', key) < MOST + 32 then
        redis.call('HSET', key, ARGV[i + 3], ARGV[i + 2])
      end
    end
    i = i + 4
  end
end

local slides = mode ~= 'use' or math.abs(now - seen) >= SLIDE_AFTER
local left = ABSOLUTE
if mode == 'use' or mode == 'renew' then left = created + ABSOLUTE - now end
if mode == 'login' and f[5] and f[5] ~= ARGV[7] then
  redis.call('DEL', key) -- another user's values
end
local function put(name, value)
  set[#set + 1] = name
  set[#set + 1] = value
end
if slides then put('seen', ARGV[4]) end
if mode ~= 'use' then put('token', ARGV[3]) end
if mode == 'new' or mode == 'login' then
  put('created', ARGV[4])
  if ARGV[7] ~= '' then
    put('user', ARGV[7])
    put('auth', ARGV[4])
  end
end
if (mode == 'renew' or mode == 'login') and ARGV[2] ~= ARGV[3] then
  put('prev', ARGV[2])
  put('renewed', ARGV[4])
  put('reads', mode == 'renew' and '1' or '0')
end
if #set > 2 then redis.call(unpack(set)) end
if slides then redis.call('PEXPIRE', key, math.min(tonumber(ARGV[6]), left)) end
return { DONE, slides and 1 or 0, result }
