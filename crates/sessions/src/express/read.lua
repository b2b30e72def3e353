-- Reads a session and moves its expiry when that is due.
--
-- KEYS[1] the session; KEYS[2] its end mark.
-- ARGV[1] seconds to keep a session whose cookie does not expire; ARGV[2] how
-- much of its time must have passed before the expiry is moved, in percent;
-- ARGV[3] since when an end is recent; without it, none is.
--
-- Answers {text, milliseconds to the expiry, 1 when it was moved}; 0 when the
-- session was ended here recently; false when there is none, or it was ended
-- here longer ago. What another service wrote after the end goes.

local text = redis.call('GET', KEYS[1])
local ended = redis.call('GET', KEYS[2])
if ended then
  if text then redis.call('DEL', KEYS[1]) end
  if ARGV[3] and (tonumber(ended) or 0) >= tonumber(ARGV[3]) then return 0 end
  return false
end
if not text then return false end

local left = redis.call('PTTL', KEYS[1])
-- No expiry: whoever wrote it wants none.
if left < 0 then return {text, left, 0} end

-- How long the session lives after a touch, in milliseconds; nil when that
-- cannot be told.
local function age()
  -- As Express writes it, and so without reading the rest. cjson also refuses
  -- half a surrogate pair, which JavaScript makes when it cuts a text.
  local start = string.match(text, '^{"cookie":{"originalMaxAge":([%dnul]+)[,}]')
  if start == 'null' then return ARGV[1] * 1000 end
  if start then return tonumber(start) end

  local readable, session = pcall(cjson.decode, text)
  if not readable or type(session) ~= 'table' then return nil end
  if type(session.cookie) ~= 'table' then return nil end
  return tonumber(session.cookie.originalMaxAge) or ARGV[1] * 1000
end

local keep = age()
-- No longer than a Date of JavaScript goes; false for what is not a number.
if not keep or not (keep > 0 and keep <= 8640000000000000) then return {text, left, 0} end
keep = math.ceil(keep / 1000) * 1000

if left > keep * (100 - ARGV[2]) / 100 then return {text, left, 0} end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', keep))
return {text, keep, 1}
