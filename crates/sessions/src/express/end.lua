-- Ends a session, and leaves a mark for as long as another service's late write
-- could make it look alive again.
--
-- KEYS[1] the session; KEYS[2] its end mark.
-- ARGV[1] the least seconds to keep the mark; ARGV[2] the time, which the mark
-- holds so that requests under way can be told from cookies that are merely old.
--
-- Answers the session's last text, so that a new session can take over its
-- values without losing a write; false when there was none.

local text = redis.call('GET', KEYS[1])
local keep = tonumber(ARGV[1]) * 1000
if text then keep = math.max(keep, redis.call('PTTL', KEYS[1])) end
redis.call('SET', KEYS[2], ARGV[2] or '0', 'PX', string.format('%.0f', keep))
redis.call('DEL', KEYS[1])
return text
