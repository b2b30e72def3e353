-- Writes a session, if its text is still the one that was read.
--
-- KEYS[1] the session; KEYS[2] its end mark.
-- ARGV[1] the text that was read; ARGV[2] the new text; ARGV[3] seconds to keep
-- it, at least 1; ARGV[4] since when an end is recent; without it, none is.
--
-- Answers 1 when it is written; 0 when the session was ended here recently;
-- false when there is none, or it was ended here longer ago; else the text that
-- is there now, to make the changes again on it.
--
-- A text that equals the new one is no sign that this write came through: two
-- requests that count from 1 to 2 write the same.

local text = redis.call('GET', KEYS[1])
local ended = redis.call('GET', KEYS[2])
if ended then
  if text then redis.call('DEL', KEYS[1]) end
  if ARGV[4] and (tonumber(ended) or 0) >= tonumber(ARGV[4]) then return 0 end
  return false
end
-- An empty text is no session, for Express neither.
if not text or text == '' then return false end

if text ~= ARGV[1] then return text end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
