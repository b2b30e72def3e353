//! Scripts on an engine with files: what the log and the store have of them.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tuckbox_engine::{Connection, Durability, Engine, ManualClock, Options, Position};
use tuckbox_resp::{Reply, cmd};

/// So long a script may take to be seen running.
const PATIENCE: Duration = Duration::from_secs(20);

fn relaxed() -> Options {
    Options { durability: Durability::EverySec, ..Options::default() }
}

fn integer(connection: &mut Connection, command: &tuckbox_resp::Command) -> i64 {
    connection.execute(command).reply.into_integer().expect("an integer")
}

/// Copies the files as a crash of the process would leave them.
fn crash_copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            crash_copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn what_a_script_did_is_there_after_a_close_and_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (live, crashed) = (dir.path().join("live"), dir.path().join("crashed"));
    let clock = ManualClock::at(1_700_000_000_000);
    let options = || Options { clock: Arc::new(clock.clone()), ..Options::default() };
    let engine = Engine::open(&live, options()).unwrap();
    let mut connection = engine.connection();
    let script = "redis.call('HSET', KEYS[1], 'n', ARGV[1])
        redis.call('PEXPIRE', KEYS[1], 60000)
        redis.call('INCR', 'count')
        if ARGV[1] == '99' then error('at the end') end
        return redis.call('HRANDFIELD', KEYS[1])";
    let mut position = Position::NONE;
    for n in 0..100 {
        if n == 50 {
            engine.checkpoint().unwrap();
        }
        position = connection.execute(&cmd!("EVAL", script, 1, format!("h:{n}"), n)).position;
    }
    engine.wait_durable(position).unwrap();
    crash_copy(&live, &crashed);
    engine.close().unwrap();
    for dir in [&live, &crashed] {
        let engine = Engine::open(dir, options()).unwrap();
        let mut connection = engine.connection();
        assert_eq!(integer(&mut connection, &cmd!("DBSIZE")), 101);
        assert_eq!(connection.execute(&cmd!("GET", "count")).reply, Reply::bulk(b"100"));
        for n in 0..100 {
            let key = format!("h:{n}");
            let value = connection.execute(&cmd!("HGET", &key, "n")).reply;
            assert_eq!(value, Reply::bulk(n.to_string().as_bytes()));
            assert_eq!(integer(&mut connection, &cmd!("PTTL", &key)), 60_000);
        }
    }
}

#[test]
fn a_torn_log_has_all_of_a_script_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live");
    let options = || Options { checkpoint_interval_ms: u64::MAX, ..Options::default() };
    let engine = Engine::open(&live, options()).unwrap();
    let mut connection = engine.connection();
    let script =
        "for n = 1, 10 do redis.call('INCR', 'n:' .. n) end return redis.status_reply('OK')";
    for _ in 0..20 {
        let executed = connection.execute(&cmd!("EVAL", script, 0));
        assert_eq!(executed.reply, Reply::OK);
        engine.wait_durable(executed.position).unwrap();
    }
    let files = dir.path().join("files");
    crash_copy(&live, &files);
    drop(connection);
    let segment = std::fs::read_dir(files.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.max_by_key(|path| path.metadata().unwrap().len()).expect("a segment");
    let bytes = std::fs::read(&segment).unwrap();
    let used = bytes.iter().rposition(|&byte| byte != 0).expect("what was written") + 1;
    let (mut least, mut most) = (i64::MAX, 0);
    for cut in (used / 3..used).step_by(97) {
        let torn = dir.path().join(cut.to_string());
        crash_copy(&files, &torn);
        let mut left = bytes.clone();
        left[cut..].fill(0);
        std::fs::write(torn.join("log").join(segment.file_name().unwrap()), left).unwrap();
        let engine = Engine::open(&torn, options()).unwrap();
        let mut connection = engine.connection();
        let mut get = |n: i64| match connection.execute(&cmd!("GET", format!("n:{n}"))).reply {
            Reply::Bulk(text) => std::str::from_utf8(&text).unwrap().parse().unwrap(),
            _ => 0_i64,
        };
        let first = get(1);
        (least, most) = (least.min(first), most.max(first));
        assert!((2..=10).all(|n| get(n) == first), "cut at {cut}");
    }
    assert!(least < most, "the cuts took something: {least} to {most}");
}

#[test]
fn keys_that_are_only_in_the_store_are_found_declared_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), relaxed()).unwrap();
    let mut connection = engine.connection();
    for n in 0..50 {
        connection.execute(&cmd!("SET", format!("key:{n}"), n));
    }
    drop(connection);
    engine.close().unwrap();
    drop(engine);
    let engine = Engine::open(dir.path(), relaxed()).unwrap();
    let mut connection = engine.connection();
    let sum = "local s = 0 for n = ARGV[1], ARGV[2] do s = s + redis.call('GET', 'key:' .. n) end
        for _, key in ipairs(KEYS) do s = s + redis.call('GET', key) end return s";
    let declared = cmd!("EVAL", sum, 2, "key:10", "key:11", 1, 4);
    assert_eq!(integer(&mut connection, &declared), 10 + 11 + 1 + 2 + 3 + 4);
    let write = "return redis.call('INCRBY', 'key:20', 5) + redis.call('EXISTS', 'key:21', 'none')";
    assert_eq!(integer(&mut connection, &cmd!("EVAL", write, 0)), 26);
    let keys = "local found = redis.call('KEYS', 'key:*') local cursor, scanned = '0', {}
        repeat
            local page = redis.call('SCAN', cursor)
            cursor = page[1]
            for _, key in ipairs(page[2]) do scanned[key] = true end
        until cursor == '0'
        local n = 0 for _ in pairs(scanned) do n = n + 1 end
        return #found * 1000 + n";
    assert_eq!(integer(&mut connection, &cmd!("EVAL", keys, 0)), 50_050);
    let random = "return redis.call('EXISTS', redis.call('RANDOMKEY'))";
    assert_eq!(integer(&mut connection, &cmd!("EVAL_RO", random, 0)), 1);
}

#[test]
fn a_script_that_looks_at_more_than_fits_into_memory_keeps_to_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { memory_limit: 4 << 20, ..relaxed() };
    let engine = Engine::open(dir.path(), options()).unwrap();
    let mut connection = engine.connection();
    let fill = "for n = 1, 400 do redis.call('SET', ARGV[1] .. n, string.rep('x', 10000)) end";
    for page in 0..10 {
        connection.execute(&cmd!("EVAL", fill, 0, format!("{page}:")));
        engine.checkpoint().unwrap();
    }
    engine.close().unwrap();
    let engine = Engine::open(dir.path(), options()).unwrap();
    let mut connection = engine.connection();
    let look = "local s = 0
        for page = 0, 9 do for n = 1, 400 do
            s = s + redis.call('STRLEN', page .. ':' .. n)
        end end
        redis.call('SET', 'evicted', 'x')
        return s";
    assert_eq!(integer(&mut connection, &cmd!("EVAL", look, 0)), 40_000_000);
    let memory = engine.stats().memory;
    assert!(memory < 8 << 20, "{memory} bytes");
    // What other commands of a transaction were promised stays in memory.
    connection.execute(&cmd!("MULTI"));
    connection.execute(&cmd!("EVAL", look, 0));
    connection.execute(&cmd!("STRLEN", "0:1"));
    let reply = connection.execute(&cmd!("EXEC")).reply;
    assert_eq!(reply, Reply::Array(vec![Reply::Integer(40_000_000), Reply::Integer(10_000)]));
}

#[test]
fn a_script_waits_for_what_it_has_seen_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), Options::default()).unwrap();
    let (mut one, mut two) = (engine.connection(), engine.connection());
    let written = one.execute(&cmd!("SET", "k", "v")).position;
    let read = two.execute(&cmd!("EVAL_RO", "return redis.call('GET', 'k')", 0)).position;
    let nothing = two.execute(&cmd!("EVAL", "return 1", 0)).position;
    assert!(read == written || read == Position::NONE, "it may be durable by now");
    assert_eq!(nothing, Position::NONE);
    let wrote = two.execute(&cmd!("EVAL", "return redis.call('SET', 'k', 'w')", 0)).position;
    assert!(wrote > written);
    engine.wait_durable(wrote).unwrap();
}

#[test]
fn a_script_ends_the_transactions_of_those_who_watch() {
    let engine = Engine::in_memory(Options::default()).unwrap();
    let (mut watching, mut writing) = (engine.connection(), engine.connection());
    for (script, changes) in [
        ("return redis.call('SET', 'k', 1)", true),
        ("return redis.call('GET', 'k')", false),
        ("redis.pcall('INCR', 'k') error('late')", true),
    ] {
        watching.execute(&cmd!("WATCH", "k"));
        writing.execute(&cmd!("EVAL", script, 0));
        watching.execute(&cmd!("MULTI"));
        watching.execute(&cmd!("PING"));
        let reply = watching.execute(&cmd!("EXEC")).reply;
        assert_eq!(reply == Reply::NullArray, changes, "{script}: {reply:?}");
    }
}

#[test]
fn scripts_may_not_add_to_a_full_memory_unless_they_began_before() {
    let options = Options { memory_limit: 10_000, ..Options::default() };
    let engine = Engine::in_memory(options).unwrap();
    let mut connection = engine.connection();
    let fill = "for n = 1, 100 do redis.call('SET', 'k' .. n, string.rep('x', 1000)) end return 1";
    assert_eq!(integer(&mut connection, &cmd!("EVAL", fill, 0)), 1, "it is not cut in half");
    let mut refused = |script: &str| match connection.execute(&cmd!("EVAL", script, 0)).reply {
        Reply::Error(error) => error.text().starts_with("OOM"),
        _ => false,
    };
    assert!(refused("return redis.call('SET', 'new', 1)"));
    assert!(refused("#!lua\nreturn 1"));
    assert!(!refused("#!lua flags=no-writes\nreturn redis.call('GET', 'k1')"));
    assert!(!refused("#!lua flags=allow-oom\nreturn redis.call('SET', 'new', 1)"));
    assert!(!refused("return redis.call('DEL', 'k1')"));
}

#[test]
fn writes_after_the_close_are_refused_to_scripts() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), relaxed()).unwrap();
    let mut connection = engine.connection();
    connection.execute(&cmd!("EVAL", "return redis.call('SET', 'k', 'v')", 0));
    engine.close().unwrap();
    let reply = connection.execute(&cmd!("EVAL", "return redis.call('SET', 'k', 'w')", 0)).reply;
    let Reply::Error(error) = reply else { panic!("{reply:?}") };
    assert!(error.text().starts_with("ERR the database is closed script: "), "{error}");
}

#[test]
fn a_script_that_only_reads_is_killed_from_another_connection() {
    let engine = Engine::in_memory(Options { script_time_ms: u64::MAX, ..Options::default() });
    let engine = engine.unwrap();
    let mut other = engine.connection();
    let kill = cmd!("SCRIPT", "KILL");
    let began = Instant::now();
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let endless = "while true do pcall(redis.call, 'GET', 'k') end";
            engine.connection().execute(&cmd!("EVAL", endless, 0)).reply
        });
        while other.execute(&kill).reply != Reply::OK {
            assert!(began.elapsed() < PATIENCE, "the script is not seen running");
            thread::yield_now();
        }
        let Reply::Error(error) = running.join().unwrap() else { panic!("it did not end") };
        assert!(error.text().contains("killed by user"), "{error}");
    });
    let reply = other.execute(&kill).reply;
    assert_eq!(reply, Reply::error("NOTBUSY No scripts in execution right now."));
}
