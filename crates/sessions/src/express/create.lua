-- Stores a new session, unless something is there.
--
-- KEYS[1] the session.
-- ARGV[1] its text; ARGV[2] seconds to keep it.
--
-- Answers 1 when the text is there, also from an earlier try of the same
-- write; 0 when something else is.

if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0
