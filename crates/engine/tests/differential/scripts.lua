error()
--
return redis.error_reply("x")
--
return redis.error_reply("-x y")
--
return redis.status_reply("x")
--
return redis.sha1hex()
--
return redis.sha1hex("")
--
redis.log()
--
redis.log(9,"x")
--
redis.log("x","x")
--
redis.setresp(4)
--
redis.setresp()
--
return redis.setresp(3)
--
return redis.set_repl(3)
--
return redis.set_repl(9)
--
return redis.replicate_commands()
--
return redis.acl_check_cmd("get","x")
--
return redis.acl_check_cmd("nosuch")
--
return pcall(error,{err="q"})
--
return {pcall(redis.call,"get")}
--
return {xpcall(function() error("a") end, function(e) return e end)}
--
return {pcall(error)}
--
x x
--
return load
--
return loadstring("\27Lua")
--
return select(2, loadstring("\27Lua"))
--
return {1,2,nil,3}
--
return 3.99
--
return -3.99
--
return 1e300
--
return 0/0
--
return select(2, pcall(function() local _ = string.rep() end))
--
string.rep()
--
return cjson
--
cjson.decode("{")
--
return cjson.encode({})
--
return KEYS[1].x
--
KEYS={}
--
return redis.call("select",99)
--
redis.call("eval","return 1",0)
--
#!lua flags=x
--
#!lua
--
#!lua flags=no-writes
--
#!python
--
#!lua name=x
--
return redis.call("client","id")
--
return redis.call("object","nosuch","x")
--
return unpack({1,2,3})
--
return string.format("%s", redis)
--
return tostring(nil)..tostring(1e15)
--
return _VERSION
--
local a = nil; a.b = 1
--
return coroutine.wrap(function() return redis.call("get") end)()
--
return coroutine.wrap(function() error("e") end)()
--
string.gsub("a", "%", "")
--
return {pcall(string.gsub,"a", "%", "")}
--
error({err="x", line="7", source="q"})
--
error("x",0)
--
error(5)
--
return loadstring("x=1")()
--
return loadstring("return x")()
--
return {err=5}
--
return {ok=5}
--
return {double=1.5}
--
return {map={a=1}}
--
return {set={a=true}}
--
return {double="x"}
--
return {ok="a\r\nb"}
--
return {err="a\r\nb"}
--
return {err="-a"}
--
return redis.error_reply("")
--
return redis.error_reply(1)
--
return redis.error_reply({})
--
return {verbatim_string={string="x",format="txt"}}
--
return {big_number="123"}
--
return true
--
return {true,false,nil}
--
return print
--
return tostring(1/0)
--
return redis.call("set","k","v","x")
--
return {redis.pcall("incr","k")}
--
return collectgarbage("count") > 0
--
for i=1,10 do redis.call("set","x",i) end
--
return cjson.decode("[1,2.5,null]")[2]
--
local s = "" return s.x
--
return ("x"):foo()
--
return next({})
--
redis.pcall()
--
return redis.call("get", 1.5)
--
return redis.call("echo", 1e20)
--
return redis.call("echo", 0.1)
--
return redis.call("echo",true)
--
return 2^53+1
--
return table.concat({1,2,0.1}," ")
--
return 1,2
--
return redis.call("ping")
--
return redis.call("PING","x")
--
return type(redis.call("get","nokey"))
--
return redis.call("hello")
--
#!lua flags=x
return 1
--
#!lua
return redis.call("set","a","b")
--
#!lua flags=no-writes
return redis.call("set","a","b")
--
#!lua flags=no-writes,allow-stale,allow-oom
return redis.call("get","a")
--
#!lua flags=
return 1
--
#!python
return 1
--
#!lua name=x
return 1
--
return {1,{2,{3,'x',false,true}},redis.status_reply('ok')}
--
redis.setresp(3) return redis.call('hgetall','nohash')
--
redis.call('hset',KEYS[1]..'h','a','1') redis.setresp(3) local t = redis.call('hgetall',KEYS[1]..'h') return {type(t), t.map and t.map.a, t}
--
redis.setresp(3) return {redis.call('get','nokey') == nil, true, false, {double=1.5}, {map={a=1}}, {set={x=true}}}
--
redis.setresp(3) return false
--
redis.setresp(3) return nil
--
return nil
--
return {double=3}
--
return redis.call('incrbyfloat','flt'..KEYS[1],'1.5')
--
redis.call('set',KEYS[1],'abc') local ok, e = pcall(function() return redis.call('incr',KEYS[1]) end) return {ok, e}
--
local r = redis.pcall('incr','nokey','x') return {type(r), r.err, r.ok}
--
return redis.call('set',KEYS[1],'1')
--
redis.call('set',KEYS[1],'abc') return redis.call('incr',KEYS[1])
--
redis.call('set',KEYS[1],'abc')

local function f() redis.call('incr', KEYS[1]) end
f()
--
redis.call('select', 3) redis.call('set','x','3') redis.call('select',0) return redis.call('get','x')
--
return string.format('%5.2f|%d|%s|%q', 3.14159, 42, 'x', 'a"b')
--
return {string.find('hello world','o w'), string.match('key:123','(%w+):(%d+)'), (string.gsub('hello','l','L'))}
--
local t = {} for w in string.gmatch('a b c','%a') do t[#t+1]=w end return t
--
return table.concat({1,2,3},',')
--
local t = {3,1,2} table.sort(t) return t
--
local t = {1,2} table.insert(t,3) table.insert(t,1,0) table.remove(t) return t
--
return #ARGV + #KEYS
--
return {KEYS[1],ARGV[1],KEYS[2]==nil}
--
KEYS[1]='changed' return KEYS[1]
--
return cjson.encode(ARGV)
--
return cjson.encode({1,2,{a=1.5},"x\"\n/\1\127",true,cjson.null,1e20,0.1,12345678901234567890})
--
local d = cjson.decode('{"a":[1,2,{"b":null}],"c":"\\u00e9\\ud83d\\ude00","d":-1.5e3,"e":true}') return {d.a[1],d.a[3].b == cjson.null,d.c,d.d,d.e}
--
return {tostring(1e100), tostring(0.1), tostring(-0), tostring(100), 10/3 ..'', 2^63 ..''}
--
local x = coroutine.create(function(a) local b = coroutine.yield(a+1) return b*2 end) local _, a = coroutine.resume(x, 1) local _, b = coroutine.resume(x, 10) return {a,b,coroutine.status(x)}
--
return {coroutine.resume(coroutine.create(function() redis.call('get') end))}
--
local ok, e = coroutine.resume(coroutine.create(function() redis.call('get') end)) return {type(e), e.err}
--
return {xpcall(function() redis.call('get') end, function(e) return type(e)..(e.err or '') end)}
--
return {xpcall(function() error('x') end, function(e) return 'h:'..e end)}
--
local function f() return f() end return type(f)
--
local s = string.rep('x',100) return #s
--
return {redis.sha1hex('abc'), redis.sha1hex(1)}
--
return redis.sha1hex('a','b')
--
error({err='My Error', code=5})
--
error('with level 2', 2)
--
local function f() error('lvl', 2) end
f()
--
assert(false)
--
assert(false, 'msg')
--
assert(nil, {err='tbl'})
--
local a = {} ; a.b.c = 1
--
return 1 + {}
--
return 'a' + 1
--
return 'a' .. {}
--
return #nil
--
local t = setmetatable({}, {__index=function(t,k) return k..'!' end}) return t.foo
--
return getmetatable(redis) == nil
--
return {type(_G), _G.x == nil}
--
return _G == _G._G
--
local n=0 for k,v in pairs(redis) do n=n+1 end return n
--
local n=0 for k,v in pairs(_G) do n=n+1 end return n > 10
--
return {next({a=1})}
--
return select('#', 1, nil, 3)
--
return {unpack({1,2,3},2)}
--
return tonumber('0x10') + tonumber('10',2) + tonumber(' 5 ')
--
return loadstring('return 1+1')()
--
return load(function() return nil end)
--
local parts = {'return ', '7'} local i = 0 return load(function() i=i+1 return parts[i] end)()
--
return redis.call('GET')
--
return redis.call('OBJECT')
--
return redis.acl_check_cmd()
--
redis.set_repl(redis.REPL_AOF) return redis.REPL_ALL
--
redis.set_repl()
--
return {redis.LOG_DEBUG,redis.LOG_VERBOSE,redis.LOG_NOTICE,redis.LOG_WARNING}
--
redis.log(redis.LOG_DEBUG, 'x', 1)
--
return redis.status_reply({})
--
return redis.status_reply('A B')
--
return redis.error_reply('MYCODE text here')
--
return redis.error_reply('-MYCODE text here')
--
return {err='MYCODE text\nhere'}
--
return {redis.error_reply('x')}
--
return {ok='fine', 1, 2}
--
return {1, 2, x=3}
--
return {[1]=1,[2]=2,[4]=4}
--
return {x=1}
--
return {}
--
return ''
--
return 'a\0b'
--
return -0.5
--
return 9007199254740993
--
return 2^63
--
return -2^63
--
return 1/0
--
return function() end
--
return cjson.null
--
return coroutine.create(function() end)
--
return redis
--
return redis.call('echo', 123456789012345678)
--
return redis.call('echo', -0.0)
--
return redis.call('echo', 1/0)
--
return redis.call('echo', 0/0)
--
return redis.call('echo', 3.0)
--
return redis.call('mget', KEYS[1], 'nokey')
--
return redis.call('type', KEYS[1])
--
return redis.call('type', KEYS[1])['ok']
--
return redis.call('exists', 'nokey')
--
return redis.call('time')[1] == redis.call('time')[1]
--
return redis.call('scan','x')
--
return redis.call('hscan','nokey','0')
--
return string.rep('a', 10, 'b')
--
return math.floor(3.7) + math.max(1,5,2) + math.abs(-3) + math.fmod(7,3) + math.huge*0
--
return {math.floor(3.7), math.max(1,5,2), math.abs(-3), math.fmod(7,3), math.pi, math.mod(7,3), math.pow(2,3)}
--
return table.getn({1,2}) + table.maxn({1,2,[10]=1})
--
table.setn({},1)
--
local r = {} table.foreach({1,2}, function(k,v) r[#r+1]=k*v end) return r
--
return {bit.band(0xff,0x0f), bit.bor(1,2,4), bit.bxor(5,1), bit.bnot(0), bit.lshift(1,31), bit.rshift(-1,28), bit.arshift(-256,4), bit.rol(0x12345678,12), bit.ror(0x12345678,12), bit.bswap(0x12345678), bit.tobit(0xffffffff)}
--
return {bit.tohex(1), bit.tohex(-1,2), bit.tohex(255,-4), bit.tohex(0,0)}
--
bit.lshift(1)
--
return ("abc"):upper():rep(2)
--
return #("abc")
--
return getmetatable("abc").__index.upper("x")
--
string.upper = nil
--
_G.foo = 1
--
setmetatable(_G, nil)
--
rawset(redis, 'call', nil)
--
table.insert(redis, 1)
--
redis.foo()
--
return redis.foo
--
return rawequal(redis, redis)
--
for k in pairs(nil) do end
--
for k in ipairs() do end
--
return pcall(1)
--
return {pcall(nil)}
--
tostring()
--
setmetatable(1,{})
--
return {loadstring('x x')}
--
return {loadstring('x x','=name')}
--
return {loadstring('x x','@name')}
--
local f = loadstring('redis.call("get")', '@other') f()
--
return 1 -- comment
--
local a <const> = 1
--
return (function(...) return select('#',...) end)(nil,nil)
--
local t = {} t[nil] = 1
--
local t = {} t[0/0] = 1
--
while true do return 'x' end
--
return tostring(redis.call):sub(1,9)
--
return collectgarbage('step') ~= nil
--
return {gcinfo() > 0}
--
return {type(_VERSION), _VERSION}
--
if redis.call('exists', KEYS[1]) == 1 then redis.call('del', KEYS[1]) end return redis.call('exists', KEYS[1])
--
redis.call('hset','hh','a','1','b','2') return redis.call('hmget','hh','a','x','b')
--
return redis.call('hgetall','hh')
--
return redis.call('hset', KEYS[1])
--
return redis.pcall('hset', KEYS[1])
--
return {redis.pcall('nosuch')}
--
return redis.call('hrandfield','nokey')
--
redis.call('flushdb') return redis.call('dbsize')
--
return redis.call('randomkey')
--
return redis.call('swapdb', 0, 0)
--
return redis.call('copy', 'a', 'b')
--
return redis.call('exec')
--
return redis.call('watch', 'a')
--
return redis.call('client','getname')
--
return redis.call('auth','x')
--
return redis.call('quit')
--
return redis.call('reset')
--
local function show(...) return table.concat({...}, '|') end
return {
    show(string.gsub('hello world', '(o)(.?)', function(a, b) return b .. a end)),
    show(string.gsub('abc', '%w*', function(x) return '<' .. x .. '>' end)),
    show(string.gsub('abc', '', function() return '-' end)),
    show(string.gsub('abc abc', '^a', {a = 'X'})),
    show(string.gsub('abc abc', '%w', {a = 'X', b = 7}, 4)),
    show(string.gsub('abc', '()', function(p) return p end)),
    show(string.gsub('abc', '%w', function() end, 2.9)),
    show(string.gsub('', '', {}), string.gsub(121, 1, {['1'] = 'one'})),
    show(string.gsub('THE (quick) fox', '%((%a+)%)', {quick = 'slow'})),
    show(string.gsub('THE (quick) fox', '%f[%a]%a+', function(w) return w:lower() end)),
}
--
local s = string.gsub('abc', 'b', function() return {} end) return s
--
return {string.rep('ab', 3), string.rep('x', -1), string.rep(12, 2.9), string.rep('', 5)}
--
return {unpack({1, 2, 3}, 2), unpack({1, 2, 3}, -1, 1), unpack({}, 3, 1)}
--
local t = {err = 'x', 'y'} return t
--
local t = {} for n = 0, 29 do t[2 ^ n] = 1 end return t
--
local function hex(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end
local out = {}
for _, n in ipairs({0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 2^53, 2^62, 2^63, 2^64, 1e300,
    -1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, -2^53, -2^63, -2^64, 0.5, -0.5, 0.1, 1/3,
    1e10 + 0.5, 3.4028234663852886e38, 1e39, 1/0, -1/0}) do
    local packed = cmsgpack.pack(n)
    out[#out + 1] = hex(packed) .. ' ' .. ('%.17g'):format(cmsgpack.unpack(packed))
end
return out
--
local function hex(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end
return {hex(cmsgpack.pack(nil)), hex(cmsgpack.pack(true, false, nil)), hex(cmsgpack.pack({})), hex(cmsgpack.pack({1, 2, 3})),
    hex(cmsgpack.pack({1, nil, 3})), hex(cmsgpack.pack({a = 1})), hex(cmsgpack.pack({[1.5] = 'x'})), hex(cmsgpack.pack({[0] = 'x'})),
    hex(cmsgpack.pack({[2] = 'x'})), hex(cmsgpack.pack({[-1] = 'x'})), hex(cmsgpack.pack('', 'a', redis.call)), hex(cmsgpack.pack(cjson.null)),
    hex(cmsgpack.pack({{1}, {a = {}}, 'x'})), hex(cmsgpack.pack({[{}] = 1})), hex(cmsgpack.pack({[true] = 1}))}
--
local function sum(n, f) local s = {} for i = 1, n do s[i] = f(i) end return redis.sha1hex(cmsgpack.pack(s)) end
local out = {}
for _, n in ipairs({1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000}) do
    out[#out + 1] = redis.sha1hex(cmsgpack.pack(('x'):rep(n)))
    out[#out + 1] = sum(n, function(i) return i end)
    out[#out + 1] = tostring(cmsgpack.unpack(cmsgpack.pack(('y'):rep(n))) == ('y'):rep(n))
    local t = cmsgpack.unpack(cmsgpack.pack({n, {n = n}}))
    out[#out + 1] = t[1] + t[2].n
end
return out
--
local a = {} a.a = a
local function hex(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end
local b = {} b[1] = b
return {hex(cmsgpack.pack(a)), hex(cmsgpack.pack(b))}
--
local packed = cmsgpack.pack('a', 2, {3}, nil, true)
local out = {}
local function note(...) for i = 1, select('#', ...) do out[#out + 1] = cjson.encode((select(i, ...))) end out[#out + 1] = '-' end
note(cmsgpack.unpack(packed)) note(cmsgpack.unpack_one(packed)) note(cmsgpack.unpack_one(packed, 2)) note(cmsgpack.unpack_one(packed, 4))
note(cmsgpack.unpack_limit(packed, 2)) note(cmsgpack.unpack_limit(packed, 2, 3)) note(cmsgpack.unpack_limit(packed, 0, 3))
note(cmsgpack.unpack_limit(packed, 0, 0)) note(cmsgpack.unpack_limit(packed, 99, 2)) note(cmsgpack.unpack_one(packed, #packed))
note(cmsgpack.unpack('')) note(cmsgpack.unpack(5)) note(cmsgpack.unpack_limit(packed, '1', '2')) note(cmsgpack.unpack_one(packed, nil))
return out
--
local out = {}
for _, s in ipairs({'\204\255', '\205\255\254', '\206\255\254\253\252', '\207\255\254\253\252\251\250\249\248', '\207\0\0\0\0\0\0\1\0',
    '\208\128', '\209\128\0', '\209\255\255', '\210\128\0\0\1', '\211\128\0\0\0\0\0\0\0', '\224', '\255', '\127', '\192', '\194', '\195',
    '\202\63\128\0\0', '\202\255\192\0\0', '\203\63\240\0\0\0\0\0\1', '\217\1x', '\218\0\1x', '\219\0\0\0\1x', '\160', '\161x',
    '\220\0\1x', '\221\0\0\0\1x', '\222\0\1xy', '\223\0\0\0\1xy', '\144', '\128', '\145\145\145\1', '\129\1\129\2\3'}) do
    local v = cmsgpack.unpack(s)
    out[#out + 1] = type(v) == 'table' and cjson.encode(v) or type(v) == 'number' and ('%.17g'):format(v) or tostring(v)
end
return out
--
local x = cmsgpack.pack() return x
--
local x = cmsgpack.unpack() return x
--
local x = cmsgpack.unpack({}) return x
--
local x = cmsgpack.unpack('\193') return x
--
local x = cmsgpack.unpack('\196\1x') return x
--
local x = cmsgpack.unpack('\205\1') return x
--
local x = cmsgpack.unpack('\219\255\255\255\255x') return x
--
local x = cmsgpack.unpack('\221\255\255\255\255\1') return x
--
local x = cmsgpack.unpack_one('abc', -1) return x
--
local x = cmsgpack.unpack_limit('abc', -1) return x
--
local x = cmsgpack.unpack_limit('abc') return x
--
local x = cmsgpack.unpack_one('abc', 4) return x
--
local x = cmsgpack.unpack_one('abc', {}) return x
--
local x = cmsgpack.unpack('\129\192\1') return x
--
return {cmsgpack._NAME, cmsgpack._VERSION, type(cmsgpack.unpack_one)}
--
cmsgpack.pack = 1
--
local function hex(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end
local out = {}
local function note(f, ...) out[#out + 1] = f .. ' ' .. hex(struct.pack(f, ...)) .. ' ' .. struct.size((f:gsub('[sz]', 'x'):gsub('c0', ''))) end
note('b', -1) note('B', 255) note('B', 256) note('h', -2) note('>h', -2) note('H', 65534) note('<H', 1) note('>H', 1)
note('i', -3) note('>i', -3) note('I', 2^32 - 1) note('>I', 1) note('l', -4) note('>l', -4) note('L', 2^53) note('>L', 2^63) note('T', 7)
note('f', 0.5) note('>f', 0.5) note('d', 0.1) note('>d', 0.1) note('f', 1e300) note('d', 1/0) note('x') note('xBx', 1)
note('i1', 1) note('i3', -2) note('>i3', -2) note('i8', -2) note('I16', 5) note('>I16', 5) note('i32', -1) note('i0', 1)
note('c3', 'abcdef') note('c', 'ab') note('s', 'ab') note('ss', '', 'x') note('c0', 'whole') note(' > h < h ', 1, 1)
note('!Bi', 1, 2) note('!4Bd', 1, 2) note('!Bd', 1, 2) note('!2Bi', 1, 2) note('!8BhBiBlBdB', 1, 2, 3, 4, 5, 6, 7, 8, 9) note('!c1c2h', 'a', 'bc', 1)
note('!i3i3', 1, 2) note('bbb', '1', 2.7, -2.7) note('s', 12) note('>!4 h i3 d', 1, 2, 3) note('')
return out
--
local out = {}
local function note(...) for i = 1, select('#', ...) do local v = select(i, ...) out[#out + 1] = type(v) == 'number' and ('%.17g'):format(v) or v end out[#out + 1] = '-' end
local s = '\1\2\3\4\5\6\7\8\9\255\254\253\252\251\250\249\248\247\246\245\244\243\242\241\240\239\238\237\236\235\234\233\232\231'
for _, f in ipairs({'b', 'B', 'bB', 'h', '>h', 'H', 'i', '>i', 'I', 'l', '>l', 'L', '>L', 'T', 'f', '>f', 'd', '>d', 'x', 'xb', 'i1', 'i3', '>i3', 'I3',
    'i8', 'i9', '>i9', 'i16', '>i16', 'I16', 'i32', 'i0', 'c3', 'c', 'bc0', 'bbc0', '!bi', '!4bd', '!2bi', '!8bhbib', ' b b ', ''}) do
    note(struct.unpack(f, s)) note(struct.unpack(f, s, 2)) note(tostring(pcall(struct.unpack, f, s, 30)))
end
note(struct.unpack('s', 'ab\0cd')) note(struct.unpack('ss', 'ab\0cd\0')) note(struct.unpack('>I2c0', '\0\3abcd')) note(struct.unpack('s', '\0', 1))
note(struct.unpack('', '', 1)) note(struct.unpack('b\0b', 'ab')) note(struct.unpack('b', 12))
return out
--
return {struct.size(''), struct.size('b'), struct.size('!bi'), struct.size('!8bd'), struct.size('c10'), struct.size('i3'), struct.size('z'), struct.size(' >b'), struct.size('bhilLTfdx')}
--
return struct.size('s')
--
return struct.size('c0')
--
return struct.size('%')
--
return struct.size()
--
return struct.size('i33')
--
return struct.size('!3')
--
return struct.size('i99999999999')
--
local x = struct.pack('z', 1) return x
--
local x = struct.pack('i') return x
--
local x = struct.pack('i', 'x') return x
--
local x = struct.pack('s', {}) return x
--
local x = struct.pack('c5', 'abc') return x
--
local x = struct.pack() return x
--
local x = struct.pack({}) return x
--
local x = struct.pack('!0i', 1) return x
--
local x = struct.unpack('i', 'abc') return x
--
local x = struct.unpack('i', 'abcd', 0) return x
--
local x = struct.unpack('i', 'abcd', -1) return x
--
local x = struct.unpack('i', 'abcd', 9) return x
--
local x = struct.unpack('s', 'abcd') return x
--
local x = struct.unpack('c0', 'abcd') return x
--
local x = struct.unpack('bc0', '\9bcd') return x
--
local x = struct.unpack('sc0', 'x\0bcd') return x
--
local x = struct.unpack('i') return x
--
local x = struct.unpack('y', 'abc') return x
--
struct.pack = 1
--
local a = {} for i = 1, 7998 do a[i] = i end return #redis.call('ECHO', table.concat({unpack(a)}))
--
local a = {} for i = 1, 7999 do a[i] = i end return select('#', unpack(a))
