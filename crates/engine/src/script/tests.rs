//! Scripts, as a client sees them.

use std::sync::Arc;

use tuckbox_resp::{Reply, cmd};

use super::Kill;
use crate::{Engine, Options, ScriptCall, ScriptListener, testing::Session};

fn eval(session: &mut Session, script: &str) -> Reply {
    session.call(cmd!("EVAL", script, 1, "k", "v"))
}

fn error(session: &mut Session, script: &str) -> String {
    match eval(session, script) {
        Reply::Error(error) => error.text().to_owned(),
        other => panic!("{script}: {other:?}"),
    }
}

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_inner_commands_do_is_told_and_not_the_script() {
    let mut session = Session::new();
    let reply = eval(
        &mut session,
        "redis.call('SET', KEYS[1], ARGV[1], 'EX', 10)
         redis.call('SELECT', 3)
         return redis.call('INCR', 'n')",
    );
    assert_eq!(reply, Reply::Integer(1));
    assert_eq!(session.effects(), ["SET k v PXAT 1000010000", "INCR n"]);
    assert_eq!(session.run("GET n"), Reply::Null, "SELECT is the script's own");
    assert_eq!(session.replayed().contents(), session.contents());
}

#[test]
fn what_was_written_before_an_error_stays() {
    let mut session = Session::new();
    let told = error(&mut session, "redis.call('SET', KEYS[1], 'half')\nerror('and stop')");
    assert!(told.starts_with("ERR user_script:2: and stop script: "), "{told}");
    assert!(told.ends_with(", on @user_script:2."), "{told}");
    assert_eq!(session.run("GET k"), Reply::bulk(b"half"));
    assert_eq!(session.replayed().contents(), session.contents());
}

#[test]
fn time_stands_still_in_a_script() {
    let mut session = Session::new();
    let script = "redis.call('SET', KEYS[1], 1, 'PX', 1)
        for n = 1, 100000 do end
        return redis.call('EXISTS', KEYS[1])";
    assert_eq!(eval(&mut session, script), Reply::Integer(1));
    session.clock.advance(1);
    assert_eq!(session.run("EXISTS k"), Reply::Integer(0));
}

#[test]
fn nothing_is_left_for_the_next_script() {
    // What one tries to leave, and what the next finds.
    let tries = [
        "x = 1",
        "_G.x = 1",
        "rawset(_G, 'x', 1)",
        "table.insert(_G, 'x')",
        "table.insert(redis, 'x')",
        "rawset(string, 'x', 1)",
        "string.x = 1",
        "getmetatable('').x = 1",
        "getmetatable('').__index = {}",
        "getmetatable('').__index.x = 1",
        "getmetatable(_G).__index = {x = 1}",
        "setmetatable(_G, {})",
        "setmetatable(redis, {})",
        "redis.call = function() return 'x' end",
        "cjson.x = 1",
        "bit.x = 1",
        "coroutine.x = 1",
        "os.x = 1",
        "math.x = 1",
        "table.x = 1",
        "for k, v in pairs(redis) do redis[k] = nil end",
        "for k, v in pairs(_G) do _G[k] = nil end",
        "loadstring('x = 1')()",
        "coroutine.wrap(function() x = 1 end)()",
        "setfenv(1, {})",
        "getfenv(1).x = 1",
        "return newproxy(true)",
    ];
    let mut session = Session::new();
    for script in tries {
        let told = error(&mut session, script);
        assert!(told.contains("readonly") || told.contains("nonexistent"), "{script}: {told}");
    }
    let harmless = [
        "KEYS.x = 1 ARGV[1] = 'x' KEYS[1] = nil",
        "math.randomseed(7)",
        "cjson.encode_number_precision(3)",
        "redis.setresp(3)",
        "collectgarbage('stop') collectgarbage('setpause', 1000000)",
    ];
    for script in harmless {
        assert_eq!(eval(&mut session, script), Reply::Null, "{script}");
    }
    let left = "local found = {}
        for _, t in ipairs({_G, redis, string, table, math, bit, cjson, coroutine, os}) do
            if rawget(t, 'x') or rawget(t, 1) then found[#found + 1] = 'x' end
        end
        for _, t in ipairs({KEYS, ARGV}) do if t.x or #t ~= 1 then found[#found + 1] = 'x' end end
        return table.concat(found) .. ('v'):upper() .. cjson.encode(1.23456) .. KEYS[1]
            .. redis.call('ECHO', 'e') .. type(redis.call('GET', 'none'))";
    assert_eq!(text(&eval(&mut session, left)), "V1.23456keboolean");
}

#[test]
fn random_numbers_are_new_in_every_run_unless_they_are_seeded() {
    let mut session = Session::new();
    let draw =
        "return tostring(math.random()) .. ' ' .. math.random(10) .. ' ' .. math.random(5, 6)";
    let first = eval(&mut session, draw);
    assert_ne!(eval(&mut session, draw), first);
    let seeded = format!("math.randomseed(0) {draw}");
    let first = eval(&mut session, &seeded);
    assert!(text(&first).starts_with("0.170828"), "as C's lrand48 from seed 0: {first:?}");
    assert_eq!(eval(&mut session, &seeded), first);
}

#[test]
fn compiled_code_is_not_loaded() {
    let mut session = Session::new();
    for script in [
        "return loadstring(string.dump(function() end))",
        "local done return load(function() if not done then done = true \
         return string.dump(function() end) end end)",
    ] {
        assert_eq!(eval(&mut session, script), Reply::Null);
    }
    let reply = session.call(cmd!("EVAL", b"\x1bLuaQ", 0));
    assert!(matches!(reply, Reply::Error(_)), "{reply:?}");
}

#[test]
fn a_script_that_runs_too_long_is_ended_whatever_it_catches() {
    let mut session = Session::with_options(|options| options.script_time_ms = 30);
    for script in [
        "redis.call('SET', KEYS[1], 'before') while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() end) end",
        "local function f() while true do end end
         while true do coroutine.resume(coroutine.create(f)) end",
        "while true do pcall(redis.call, 'GET', 'x') end",
        "while true do redis.pcall('GET', 'x') end",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end})
         while true do pcall(function() return t[1] end) end",
        "local function f(n) if n > 0 then for _ = 1, 300 do
             coroutine.resume(coroutine.create(f), n - 1) end end end f(10)",
        "local function f(n) if n > 0 then for _ = 1, 300 do coroutine.wrap(f)(n - 1) end end end f(10)",
    ] {
        let told = error(&mut session, script);
        assert!(told.contains("ran for too long"), "{script}: {told}");
    }
    assert_eq!(session.run("GET k"), Reply::bulk(b"before"));
    assert_eq!(eval(&mut session, "return 1"), Reply::Integer(1));
}

#[test]
fn a_script_that_takes_too_much_memory_is_ended() {
    let mut session = Session::with_options(|options| options.script_memory = 2 << 20);
    for script in [
        "local s = 'x' while true do s = s .. s end",
        "return string.rep('x', 100000000)",
        "local t = {} for n = 1, 10000000 do t[n] = n end",
        "local t = {} while true do t = {t, t, t} end",
        "redis.call('SET', KEYS[1], string.rep('x', 1000000))
         local t = {} for n = 1, 100 do t[n] = redis.call('GET', KEYS[1]) .. n end",
    ] {
        let told = error(&mut session, script);
        assert!(told.contains("needed more memory"), "{script}: {told}");
        assert_eq!(eval(&mut session, "return #ARGV"), Reply::Integer(1), "after {script}");
    }
}

#[test]
fn functions_of_lua_that_take_long_are_no_way_around_the_time() {
    let mut session = Session::with_options(|options| options.script_time_ms = 30);
    for script in [
        "local t = {} for n = 1, 300000 do t[n] = n end while true do table.insert(t, 1, 1) end",
        "local s = string.rep('x', 3000000) while true do s:upper() end",
        "local t = {} for n = 1, 30000 do t[n] = {n} end while true do collectgarbage() end",
        "local t = {} for n = 1, 20000 do t[n] = {n} end while true do cjson.encode(t) end",
        "local t = {} for n = 1, 40 do t = {t, t} end return cjson.encode(t)",
        "local t = {} for n = 1, 40 do t = {t, t, t, t} end return cmsgpack.pack(t)",
        "local s = cmsgpack.pack(string.rep('x', 3000000)) while true do cmsgpack.unpack(s) end",
        "local s = string.rep('x', 3000000) while true do struct.pack('c0', s) end",
    ] {
        let told = error(&mut session, script);
        assert!(told.contains("ran for too long"), "{script}: {told}");
    }
    assert_eq!(eval(&mut session, "return #string.rep('', 2^31 - 1)"), Reply::Integer(0));
    let told = error(&mut session, "table.insert({}, -2^31, 1)");
    assert!(told.contains("position out of bounds"), "{told}");
}

#[test]
fn what_a_script_hands_over_is_bounded_however_often_it_repeats_itself() {
    let mut session = Session::with_options(|options| {
        options.script_memory = 2 << 20;
        // The time that it takes on a busy machine is another matter.
        options.script_time_ms = 600_000;
    });
    for (script, why) in [
        ("local t = {'x'} for n = 1, 40 do t = {t, t} end return t", "answer takes more memory"),
        ("local t = {'x'} for n = 1, 40 do t = {map = {a = t, b = t}} end return t", "answer"),
        (
            "local s, t = string.rep('x', 2^16), {} for n = 1, 7000 do t[n] = s end return t",
            "answer takes more memory",
        ),
        (
            "local s, t = string.rep('x', 2^16), {} for n = 1, 7000 do t[n] = s end
             return redis.call('DEL', unpack(t))",
            "ERR the command is longer than 2097152 bytes",
        ),
        (
            "local t = {} for n = 1, 40 do t = {t, t} end return cjson.encode(t)",
            "needed more memory",
        ),
        (
            "local t = {} for n = 1, 40 do t = {t, t, t} end return cmsgpack.pack(t)",
            "needed more memory",
        ),
        (
            "local s, t = string.rep('x', 2^16), {} for n = 1, 7000 do t[n] = s end
             return struct.pack(string.rep('s', 7000), unpack(t))",
            "needed more memory",
        ),
    ] {
        let told = error(&mut session, script);
        assert!(told.contains(why), "{script}: {told}");
    }
    // A list whose length Lua takes for half a thousand million.
    let sparse = "local t = {} for n = 0, 29 do t[2 ^ n] = 1 end return t";
    assert_eq!(eval(&mut session, sparse), Reply::Array(vec![Reply::Integer(1); 2]));
}

#[test]
fn a_list_of_more_results_than_can_be_counted_is_an_error() {
    let mut session = Session::new();
    for range in ["0, 2^31 - 1", "-2^31, 2^31 - 1", "-1/0, 1/0", "0/0, 2^31 - 1", "1e300, 2^31 - 1"]
    {
        let told = error(&mut session, &format!("return {{unpack({{}}, {range})}}"));
        assert!(told.contains("too many results to unpack"), "{range}: {told}");
    }
    let some = "return {unpack({1, 2, 3, 4}, 2, '3')}";
    assert_eq!(eval(&mut session, some), Reply::Array(vec![Reply::Integer(2), Reply::Integer(3)]));
}

#[test]
fn what_is_unpacked_is_bounded_in_depth_and_in_number() {
    let mut session = Session::new();
    let deep = |depth| format!("cmsgpack.unpack(string.rep('\\145', {depth}) .. '\\1')");
    let many = |count| format!("cmsgpack.unpack(string.rep('\\161x', {count}))");
    let fields =
        |count| format!("struct.unpack(string.rep('b', {count}), string.rep('x', {count}))");
    for fits in [deep(1000), many(7900), fields(7890)] {
        let reply = eval(&mut session, &format!("return select('#', {fits})"));
        assert!(matches!(reply, Reply::Integer(1..)), "{fits}: {reply:?}");
    }
    for beyond in [deep(1001), deep(5_000_000), many(7901), many(1_000_000), fields(7900)] {
        let told = error(&mut session, &format!("local x = {beyond} return x"));
        assert!(told.starts_with("ERR user_script:1: stack overflow (too many "), "{told}");
    }
    let next =
        "local at, x = cmsgpack.unpack_limit(string.rep('\\161x', 10000), 7000, 2) return at";
    assert_eq!(eval(&mut session, next), Reply::Integer(14_002));
}

#[test]
fn replacements_that_replace_need_little_of_the_stack() {
    let mut session = Session::new();
    let script = "local t, depth = {}, 0
        for n = 1, 990 do t = {t} end
        local function f()
            depth = depth + 1
            if depth > 150 then return #cjson.encode(t) end
            return (string.gsub('x', 'x', f))
        end
        return f()";
    assert_eq!(eval(&mut session, script), Reply::bulk(b"1982"));
}

#[test]
fn a_script_ends_before_it_has_written_more_than_the_log_takes() {
    let mut session = Session::new();
    let script = "local text = string.rep('x', 1000000)
        for n = 1, 10 do redis.call('SET', KEYS[1], text .. n) end";
    let told = error(&mut session, script);
    assert!(told.contains("more than fits into one entry of the log"), "{told}");
    let kept = eval(&mut session, "return string.sub(redis.call('GET', KEYS[1]), -1)");
    assert_eq!(kept, Reply::bulk(b"5"));
}

#[test]
fn a_script_that_cannot_be_compiled_is_not_in_the_way_of_others() {
    let mut session = Session::with_options(|options| options.script_memory = 2 << 20);
    let mut large = String::from("return {");
    (0..100_000).for_each(|n| large.push_str(&format!("'{n}',")));
    large.push('}');
    for n in 0..20 {
        let told = error(&mut session, &large);
        assert!(told.contains("needed more memory"), "{told}");
        assert_eq!(eval(&mut session, &format!("return {n}")), Reply::Integer(n));
    }
}

#[test]
fn endless_recursion_is_an_error() {
    let mut session = Session::new();
    for script in [
        "local function f() return 1 + f() end return f()",
        "local function f() return pcall(f) end return f()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
        "return string.gsub('x', 'x', function() return error('deep') end)",
        "local t = {} for n = 1, 5000 do t = {t} end return t",
        "local t = {} t[1] = t return t",
        "return string.find('x', string.rep('x?', 100000))",
        "return loadstring('return ' .. string.rep('(', 10000) .. '1' .. string.rep(')', 10000))()",
        "local t = {} for n = 1, 2000 do t = {t} end return cjson.encode(t)",
        "return cjson.decode(string.rep('[', 5000))",
        "return {unpack({}, 1, 1000000)}",
    ] {
        eval(&mut session, script);
        assert_eq!(eval(&mut session, "return 7"), Reply::Integer(7), "after {script}");
    }
}

#[test]
fn many_scripts_and_many_words_are_no_trouble() {
    let mut session = Session::new();
    for n in 0..11_000 {
        let reply = session.call(cmd!("EVAL", format!("return {n}"), 0));
        assert_eq!(reply, Reply::Integer(n));
    }
    let mut many = tuckbox_resp::Command::new("EVAL");
    many.push("return {#KEYS, #ARGV, ARGV[20000]}");
    many.push(5);
    (0..20_005).for_each(|n| many.push(n));
    let expected = vec![Reply::Integer(5), Reply::Integer(20_000), Reply::bulk(b"20004")];
    assert_eq!(session.call(many.build()), Reply::Array(expected));
    let script = "local t = {} for n = 1, 7000 do t[n] = n end
        redis.call('DEL', unpack(t)) return cjson.decode(cjson.encode(t))[7000]";
    assert_eq!(eval(&mut session, script), Reply::Integer(7000));
}

#[test]
fn a_kill_finds_no_script_between_scripts() {
    let watch = super::Watch::default();
    assert_eq!(watch.kill(), Kill::Idle);
    watch.begin();
    assert_eq!(watch.kill(), Kill::Killed);
    assert!(watch.is_killed() && !watch.writes());
    watch.end();
    watch.begin();
    assert!(watch.writes());
    assert_eq!(watch.kill(), Kill::Wrote);
}

#[test]
fn an_idle_machine_is_small() {
    let machine = super::machine::Machine::new(64 << 20).unwrap();
    assert!(machine.memory() < 100 << 10, "{} bytes", machine.memory());
}

/// Notes what it hears of each command: the logical database, its name in the table if
/// it ran, and its error's code.
#[derive(Default)]
struct Ear(parking_lot::Mutex<Vec<String>>);

impl ScriptListener for Ear {
    fn called(&self, call: ScriptCall<'_>) {
        let ran = call.ran.map_or("refused", |spec| spec.name);
        let code = call.error.map_or("ok", |error| error.code());
        self.0.lock().push(format!("{} {ran} {code}", call.db));
    }
}

#[test]
fn a_listener_hears_what_scripts_call_and_what_was_refused() {
    let engine = Engine::in_memory(Options::default()).unwrap();
    let ear = Arc::new(Ear::default());
    engine.listen_to_scripts(ear.clone());
    let mut connection = engine.connection();
    connection.execute(&cmd!("SET", "a", 1));
    let script = "redis.call('SELECT', 3) redis.pcall('LPOP') redis.pcall('GET')
        redis.call('OBJECT', 'HELP') redis.call('SET', 'a', 1) redis.call('HGET', 'a', 'f')";
    connection.execute(&cmd!("EVAL", script, 0));
    connection.execute(&cmd!("EVAL_RO", "return redis.pcall('DEL', 'a')", 0));
    assert_eq!(
        *ear.0.lock(),
        [
            "0 select ok",
            "3 refused ERR",
            "3 refused ERR",
            "3 object|help ok",
            "3 set ok",
            "3 hget WRONGTYPE",
            "0 refused ERR",
        ]
    );
}
