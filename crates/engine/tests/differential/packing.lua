-- Random texts for what reads `cmsgpack` and `struct`, and random values for what
-- writes them. ARGV[1] is the seed. Answers what each gave; of an error, what it
-- says without its place.
local seed = tonumber(ARGV[1])
local function random(n)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return math.floor(seed / 65536) % n
end

local function show(value, depth)
    if type(value) == 'number' then
        return ('%.17g'):format(value)
    elseif type(value) == 'string' then
        return (value:gsub('.', function(c) return ('%02x'):format(c:byte()) end))
    elseif type(value) ~= 'table' then
        return tostring(value)
    elseif depth > 5 then
        return '...'
    end
    local pairs_shown = {}
    for key, inner in pairs(value) do
        pairs_shown[#pairs_shown + 1] = show(key, depth + 1) .. '=' .. show(inner, depth + 1)
    end
    table.sort(pairs_shown)
    return '{' .. table.concat(pairs_shown, ',') .. '}'
end

local out = {}
local function note(what, ok, ...)
    local shown = { what, tostring(ok) }
    for i = 1, select('#', ...) do
        local value = select(i, ...)
        shown[#shown + 1] = ok and show(value, 0) or value:gsub('^user_script:%d+: ', '')
    end
    out[#out + 1] = table.concat(shown, ' ')
end

-- Tags of MessagePack and small numbers more often than others.
local function bytes(n)
    local chars = {}
    for i = 1, n do
        local kind = random(3)
        chars[i] = string.char(kind == 0 and random(256) or kind == 1 and 128 + random(96) or random(8))
    end
    return table.concat(chars)
end

local OPTIONS = { 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'f', 'd', 's', 'x', 'c', 'c0', 'i', 'I', ' ', '>', '<', '!', 'z' }
local function format()
    local parts = {}
    for i = 1, random(6) do
        local option = OPTIONS[random(#OPTIONS) + 1]
        if option:find('[iIc!]') and #option == 1 and random(2) == 0 then
            option = option .. (option == '!' and 2 ^ random(4) or random(18))
        end
        parts[i] = option
    end
    local all = table.concat(parts)
    -- What C makes a length of that is a fraction, is not defined.
    return all:find('[fd]') and all:gsub('c0', 'c1') or all
end

local function value()
    local kind = random(6)
    if kind == 0 then
        return ('x'):rep(random(5))
    elseif kind < 4 then
        return random(70000) - 35000
    end
    return (random(70000) - 35000) / 8
end

for _ = 1, 200 do
    local text, f, values = bytes(random(40)), format(), {}
    for i = 1, 6 do
        values[i] = value()
    end
    note('unpack', pcall(function() return cmsgpack.unpack(text) end))
    note('unpack_one', pcall(function() return cmsgpack.unpack_one(text, random(10)) end))
    note('unpack_limit', pcall(function() return cmsgpack.unpack_limit(text, random(4), random(10)) end))
    note('pack', pcall(function() return cmsgpack.pack(values, unpack(values)) end))
    note(f, pcall(function() return struct.unpack(f, text, random(4)) end))
    note(f, pcall(function() return struct.size(f) end))
    note(f, pcall(function() return struct.pack(f, unpack(values)) end))
end
return out
