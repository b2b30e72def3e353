-- Builds the world that scripts see, once for each machine.
--
-- Every table that scripts share is shown through an empty one that cannot be
-- written to, so that a script leaves nothing behind for the next. What would
-- write to such a table in another way than by assignment is wrapped.
--
-- `host` holds the functions that are not written in Lua.

local host = ...

local cpcall, cxpcall, cloadstring = pcall, xpcall, loadstring
local error, type, tostring, next, pairs, setfenv = error, type, tostring, next, pairs, setfenv
local getmetatable, setmetatable, rawget, rawset = getmetatable, setmetatable, rawget, rawset
local collectgarbage, resume = collectgarbage, coroutine.resume
local tonumber, select, cunpack = tonumber, select, unpack
local byte, find, match, sub, concat = string.byte, string.find, string.match, string.sub, table.concat
local insert = table.insert
local caught, translate, look = host.caught, host.translate, host.look

-- What a table that is shown stands for.
local real = {}

local READONLY = 'Attempt to modify a readonly table'

local function readonly()
    error(READONLY, 2)
end

local function protect(table, metatable)
    local shown = {}
    real[shown] = table
    return setmetatable(shown, { __index = table, __newindex = readonly, __metatable = metatable or false })
end

local function wrong(name, wanted, got)
    error("bad argument #1 to '" .. name .. "' (" .. wanted .. " expected, got " .. type(got) .. ")", 3)
end

local function copy(from)
    local to = {}
    for key, value in pairs(from) do
        to[key] = value
    end
    return to
end

-- Every global that a script may name.
local G = {}
local E

-- ---- Errors ----

-- What `pcall` gives for an error: the text of one that a command answered.
local function after_pcall(ok, ...)
    if ok then
        return true, ...
    end
    local e = ...
    if type(e) == 'userdata' then
        e = caught(e)
    end
    if type(e) == 'table' and type(e.err) == 'string' then
        e = e.err
    elseif type(e) == 'string' then
        -- Raised by what is wrapped here: the place says nothing to the script.
        e = match(e, '^prelude:%d+: (.*)$') or e
    end
    return false, e
end

local function pcall(...)
    return after_pcall(cpcall(...))
end

local function after_catch(ok, ...)
    if ok then
        return true, ...
    end
    local e = ...
    if type(e) == 'userdata' then
        e = caught(e)
    end
    return false, e
end

local function xpcall(f, handler)
    local function handle(e)
        if type(e) == 'userdata' then
            local catchable, value = translate(e)
            if not catchable then
                return e
            end
            e = value
        end
        return handler(e)
    end
    return after_catch(cxpcall(f, handle))
end

G.pcall = pcall
G.xpcall = xpcall
G.error = error
G.assert = assert

-- ---- Tables ----

function G.rawset(table, key, value)
    if real[table] then
        error(READONLY, 0)
    end
    return rawset(table, key, value)
end

function G.rawget(table, key)
    return rawget(real[table] or table, key)
end

function G.next(table, key)
    if type(table) ~= 'table' then
        wrong('next', 'table', table)
    end
    return next(real[table] or table, key)
end

function G.pairs(table)
    if type(table) ~= 'table' then
        wrong('pairs', 'table', table)
    end
    local shows = real[table]
    if shows then
        return function(_, key)
            return next(shows, key)
        end, table, nil
    end
    return next, table, nil
end

function G.setmetatable(table, metatable)
    if real[table] then
        error(READONLY, 0)
    end
    return setmetatable(table, metatable)
end

function G.getmetatable(value)
    return getmetatable(value) or nil
end

for _, name in pairs({
    '_VERSION', 'gcinfo', 'ipairs', 'rawequal', 'select', 'tonumber', 'tostring', 'type',
}) do
    G[name] = _G[name]
end

-- Elements that a function can answer.
local RESULTS = 8000

-- Lua's own counts them in 32 bits, and writes beyond its stack when that is
-- too small.
function G.unpack(list, first, last)
    local from, to = tonumber(first) or 1, tonumber(last)
    to = to or type(list) == 'table' and #list or 0
    if not (from > -2^31 and from < 2^31 and to > -2^31 and to < 2^31 and to - from < RESULTS) then
        error('too many results to unpack', 2)
    end
    -- Arguments take room from the results.
    if first == nil and last == nil then
        return cunpack(list)
    end
    return cunpack(list, first, last)
end

-- Functions that take long for a single instruction look at the time. The name
-- is the one that errors tell.
local function watched(name, run)
    local source = 'local look, name = ... return function(...) look() return name(...) end'
    source = string.gsub(source, 'name', name)
    return cloadstring(source, '=prelude')(look, run)
end

-- Elements that one insertion moves.
local MOVED = 2^24

local tables = copy(table)
for _, name in pairs({ 'concat', 'maxn', 'remove', 'sort' }) do
    tables[name] = watched(name, table[name])
end
function tables.insert(table, ...)
    if real[table] then
        error(READONLY, 0)
    end
    if select('#', ...) > 1 then
        look()
        local place = tonumber((...))
        if place and type(table) == 'table' and not (#table - place < MOVED) then
            error("bad argument #2 to 'insert' (position out of bounds)", 2)
        end
    end
    return insert(table, ...)
end
G.table = protect(tables)

-- ---- Strings ----

-- The matcher recurses once for each item of a pattern.
local PATTERN_BYTES = 4096

local strings = copy(string)
strings.rep = host.rep
for _, name in pairs({ 'lower', 'reverse', 'upper' }) do
    strings[name] = watched(name, string[name])
end
for _, name in pairs({ 'find', 'gfind', 'gmatch', 'gsub', 'match' }) do
    local run = strings[name]
    strings[name] = function(text, pattern, ...)
        if type(pattern) == 'string' and #pattern > PATTERN_BYTES then
            error('pattern too complex', 2)
        end
        look()
        return run(text, pattern, ...)
    end
end

-- `gsub` where the replacement is asked for. Lua's own keeps 8 KiB of the stack
-- meanwhile: a few that call each other would be more than a thread has.
local function replace(text, pattern, with, most)
    local parts, count, at, length = {}, 0, 1, #text
    local function put(from, to, ...)
        if not from then
            return false
        end
        local whole, new = sub(text, from, to), nil
        local first = ...
        if select('#', ...) == 0 then
            first = whole
        end
        if type(with) == 'table' then
            new = with[first]
        elseif select('#', ...) == 0 then
            new = with(first)
        else
            new = with(...)
        end
        if not new then
            new = whole
        elseif type(new) ~= 'string' and type(new) ~= 'number' then
            error('invalid replacement value (a ' .. type(new) .. ')')
        end
        count = count + 1
        parts[#parts + 1] = sub(text, at, from - 1)
        parts[#parts + 1] = new
        at = to + 1
        if to < from then
            parts[#parts + 1] = sub(text, from, from)
            at = from + 1
        end
        return at <= length + 1
    end
    local once = byte(pattern, 1) == 94
    while count < most and put(find(text, pattern, at)) and not once do
    end
    parts[#parts + 1] = sub(text, at)
    return concat(parts), count
end

local gsub = strings.gsub
function strings.gsub(text, pattern, ...)
    local with, most = ...
    local asks = type(with) == 'function' or type(with) == 'table'
    if not asks or type(text) == 'table' or not (most == nil or tonumber(most)) then
        return gsub(text, pattern, ...)
    end
    -- What is wrong with the rest is told by the real one, which does nothing.
    gsub(text, pattern, '', 0)
    most = tonumber(most) or #tostring(text) + 1
    return replace(tostring(text), tostring(pattern), with, most - most % 1)
end
G.string = protect(strings)

local of_strings = getmetatable('')
of_strings.__index = strings
of_strings.__metatable = protect({ __index = G.string })

-- ---- Numbers ----

local numbers = copy(math)
numbers.random = host.random
numbers.randomseed = host.randomseed
G.math = protect(numbers)

-- ---- Chunks ----

local function loadstring(text, name)
    if type(text) == 'number' then
        text = tostring(text)
    elseif type(text) ~= 'string' then
        wrong('loadstring', 'string', text)
    end
    if name == nil then
        name = text
    end
    if byte(text, 1) == 27 then
        -- Compiled code is not checked before it runs: it is read as text.
        text = ' ' .. text
    end
    local chunk, why = cloadstring(text, name)
    if chunk then
        setfenv(chunk, E)
    end
    return chunk, why
end
G.loadstring = loadstring

function G.load(reader, name)
    if type(reader) ~= 'function' then
        wrong('load', 'function', reader)
    end
    local parts = {}
    while true do
        local ok, part = pcall(reader)
        if not ok then
            return nil, part
        end
        if part == nil or part == '' then
            break
        end
        if type(part) ~= 'string' then
            return nil, 'reader function must return a string'
        end
        parts[#parts + 1] = part
    end
    return loadstring(concat(parts), name or '=(load)')
end

-- ---- The rest ----

-- Each begins to count instructions anew, so one that makes many is looked at.
local coroutines = copy(coroutine)
for _, name in pairs({ 'create', 'wrap' }) do
    coroutines[name] = watched(name, coroutine[name])
end
function coroutines.resume(...)
    return after_catch(resume(...))
end
G.coroutine = protect(coroutines)

-- The collector is left as it is set.
local SETTINGS = { restart = true, setpause = true, setstepmul = true, stop = true }
function G.collectgarbage(what, ...)
    if SETTINGS[what] then
        return 0
    end
    look()
    return collectgarbage(what, ...)
end

G.os = protect({ clock = host.clock })
for _, name in pairs({ 'bit', 'cjson', 'redis' }) do
    G[name] = protect(host[name])
end

-- Of the host, these take their values and hand over their results in a table:
-- each value that crosses by itself costs the host one of few references.
local function packing(pack)
    return function(...)
        look()
        return (pack({ ... }, select('#', ...)))
    end
end
local function unpacking(unpack)
    return function(...)
        look()
        local results, count = unpack(...)
        return cunpack(results, 1, count)
    end
end

local msgpack = copy(host.cmsgpack)
msgpack.pack = packing(msgpack.pack)
for _, name in pairs({ 'unpack', 'unpack_limit', 'unpack_one' }) do
    msgpack[name] = unpacking(msgpack[name])
end
G.cmsgpack = protect(msgpack)

local struct = copy(host.struct)
struct.pack = packing(struct.pack)
struct.unpack = unpacking(struct.unpack)
G.struct = protect(struct)

local function missing(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
local meta = { __index = missing }
setmetatable(G, meta)
E = protect(G, protect(meta))
G._G = E

-- ---- Running ----

local describe = host.describe

-- What was compiled, by number.
local scripts = {}

local words, answer = host.words, host.answer

-- Runs a script and hands over its answer. Answers whether it ended well, and
-- if not, the error that the host is to tell.
local function run(number)
    G.KEYS, G.ARGV = words()
    local ok, value = cxpcall(scripts[number], describe)
    G.KEYS, G.ARGV = nil, nil
    if not ok then
        return value, true
    end
    answer(value)
end

return E, run, scripts
