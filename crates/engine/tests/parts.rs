//! Values that are too large to be kept as one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tuckbox_engine::{Connection, Durability, Engine, ManualClock, Options};
use tuckbox_resp::{Command, Reply, cmd};

/// Fields of the large hash, of some 40 bytes each.
const FIELDS: usize = 100_000;

fn relaxed() -> Options {
    Options {
        durability: Durability::EverySec,
        checkpoint_interval_ms: 3_600_000,
        checkpoint_log_bytes: u64::MAX,
        ..Options::default()
    }
}

fn run(connection: &mut Connection, command: &Command) -> Reply {
    let reply = connection.execute(command).reply;
    assert!(!matches!(reply, Reply::Error(_)), "{command:?}: {reply:?}");
    reply
}

fn integer(connection: &mut Connection, command: &Command) -> i64 {
    run(connection, command).into_integer().unwrap()
}

fn value(n: usize) -> String {
    format!("the value with number {n:07}")
}

/// Sets the fields of these numbers in the hash `key`.
fn fill(connection: &mut Connection, key: &str, fields: std::ops::Range<usize>) {
    for start in fields.clone().step_by(100) {
        let mut command = Command::new("HSET");
        command.push(key);
        for n in start..fields.end.min(start + 100) {
            command.push(format!("field:{n}"));
            command.push(value(n));
        }
        run(connection, &command.build());
    }
}

/// An engine of which nothing is in memory and the store has a hash `h`.
fn with_a_large_hash(dir: &Path, options: &Options, fields: usize) -> Engine {
    let engine = Engine::open(dir, options.clone()).unwrap();
    fill(&mut engine.connection(), "h", 0..fields);
    engine.close().unwrap();
    drop(engine);
    Engine::open(dir, options.clone()).unwrap()
}

/// Bytes that this process has given to the disk or to the page cache.
fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    line.parse().unwrap()
}

/// Looks until it is so, for a while.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_field_of_a_large_hash_costs_what_a_key_costs() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_a_large_hash(dir.path(), &relaxed(), FIELDS);
    let mut connection = engine.connection();
    let before = engine.stats().memory;
    assert_eq!(integer(&mut connection, &cmd!("HLEN", "h")), FIELDS as i64);
    let reply = run(&mut connection, &cmd!("HGET", "h", "field:77"));
    assert_eq!(reply, Reply::bulk(value(77).as_bytes()));
    let read = engine.stats().memory - before;
    assert!(read < 8 << 10, "{read} bytes of memory for one field");

    // The store is written by the thread that asks for the checkpoint.
    run(&mut connection, &cmd!("HSET", "h", "field:77", "new"));
    let before = written_bytes();
    engine.checkpoint().unwrap();
    let written = written_bytes() - before;
    assert!(written < 64 << 10, "{written} bytes of the store for one field");
    assert!(written > 0);
}

#[test]
fn one_field_is_one_small_entry_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_a_large_hash(dir.path(), &relaxed(), 10_000);
    let mut connection = engine.connection();
    let size = |engine: &Engine, connection: &mut Connection, command: &Command| {
        let before = connection.execute(&cmd!("SET", "k", "v")).position;
        let after = connection.execute(command).position;
        engine.wait_durable(after).unwrap();
        assert!(after > before);
    };
    // A position counts frames, so the bytes are those of the files.
    let log = dir.path().join("log");
    let bytes = || -> u64 {
        let files = fs::read_dir(&log).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        files.map(|file| file.iter().filter(|&&byte| byte != 0).count() as u64).sum()
    };
    let before = bytes();
    size(&engine, &mut connection, &cmd!("HSET", "h", "field:5", "x".repeat(100)));
    wait_until("the log is written", || bytes() > before + 100);
    assert!(bytes() - before < 1024, "{} bytes of the log", bytes() - before);
}

#[test]
fn every_command_sees_one_hash_whatever_lies_where() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { part_bytes: 64, memory_limit: 1, ..relaxed() };
    let mut engine = with_a_large_hash(dir.path(), &options, 2_000);
    for round in 0..2 {
        let mut connection = engine.connection();
        let connection = &mut connection;
        let all = run(connection, &cmd!("HGETALL", "h"));
        let Reply::Map(pairs) = all else { panic!("{all:?}") };
        let model: BTreeMap<_, _> =
            pairs.into_iter().map(|(field, value)| (text(field), text(value))).collect();
        let expected = (0..2_000).map(|n| (format!("field:{n}"), value(n))).collect();
        assert_eq!(model, expected);
        assert_eq!(run(connection, &cmd!("HKEYS", "h")).into_array().unwrap().len(), 2_000);
        assert_eq!(run(connection, &cmd!("HVALS", "h")).into_array().unwrap().len(), 2_000);
        let some = run(connection, &cmd!("HMGET", "h", "field:3", "none", "field:1999"));
        let expected = [Reply::bulk(value(3).as_bytes()), Reply::Null];
        assert_eq!(some.into_array().unwrap()[..2], expected);
        assert_eq!(scan(connection, "h"), (0..2_000).map(|n| format!("field:{n}")).collect());
        for (count, found) in [(1, 1), (50, 50), (5_000, 2_000), (-70, 70)] {
            let chosen = run(connection, &cmd!("HRANDFIELD", "h", count));
            let chosen = chosen.into_array().unwrap();
            assert_eq!(chosen.len(), found, "{count}");
            assert!(chosen.into_iter().all(|field| model.contains_key(&text(field))));
        }
        assert_eq!(integer(connection, &cmd!("HSETNX", "h", "field:9", "x")), 0);
        assert_eq!(integer(connection, &cmd!("HDEL", "h", "no", "field:0", "field:1")), 2);
        assert_eq!(integer(connection, &cmd!("HINCRBY", "h", "n", 5)), 5);
        assert_eq!(integer(connection, &cmd!("HSTRLEN", "h", "field:2")), value(2).len() as i64);
        run(connection, &cmd!("RENAME", "h", "other"));
        assert_eq!(integer(connection, &cmd!("HEXISTS", "other", "n")), 1);
        assert_eq!(integer(connection, &cmd!("COPY", "other", "h", "DB", 3)), 1);
        assert_eq!(integer(connection, &cmd!("MOVE", "other", 4)), 1);
        run(connection, &cmd!("SELECT", 3));
        assert_eq!(integer(connection, &cmd!("HLEN", "h")), 1_999);
        let dump = run(connection, &cmd!("DUMP", "h")).into_bytes().unwrap().unwrap();
        run(connection, &cmd!("FLUSHDB"));
        run(connection, &cmd!("SELECT", 4));
        assert_eq!(integer(connection, &cmd!("HLEN", "other")), 1_999);
        assert_eq!(integer(connection, &cmd!("DEL", "other")), 1);
        run(connection, &cmd!("SELECT", 0));
        run(connection, &cmd!("RESTORE", "h", 0, dump));
        run(connection, &cmd!("HDEL", "h", "n"));
        fill(connection, "h", 0..2);
        if round == 0 {
            engine.close().unwrap();
            drop(engine);
            engine = Engine::open(dir.path(), options.clone()).unwrap();
        }
    }
    engine.checkpoint().unwrap();
}

fn text(reply: Reply) -> String {
    String::from_utf8(reply.into_bytes().unwrap().unwrap().to_vec()).unwrap()
}

/// The fields that an `HSCAN` finds.
fn scan(connection: &mut Connection, key: &str) -> std::collections::BTreeSet<String> {
    let mut fields = std::collections::BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = run(connection, &cmd!("HSCAN", key, &cursor, "COUNT", 30));
        let [next, found] = <[Reply; 2]>::try_from(reply.into_array().unwrap()).unwrap();
        for pair in found.into_array().unwrap().chunks(2) {
            assert!(fields.insert(text(pair[0].clone())), "a field comes once");
        }
        cursor = text(next);
        if cursor == "0" {
            return fields;
        }
    }
}

#[test]
fn a_scan_finds_what_stays_while_the_hash_grows_into_parts_and_shrinks() {
    let engine = Engine::in_memory(Options { part_bytes: 64, ..Options::default() }).unwrap();
    let mut connection = engine.connection();
    // Too many for a packed form, and not yet in parts.
    fill(&mut connection, "h", 0..10);
    let (mut cursor, mut seen) = ("0".to_owned(), std::collections::BTreeSet::new());
    for round in 0.. {
        let reply = run(&mut connection, &cmd!("HSCAN", "h", &cursor, "COUNT", 2));
        let [next, found] = <[Reply; 2]>::try_from(reply.into_array().unwrap()).unwrap();
        seen.extend(found.into_array().unwrap().chunks(2).map(|pair| text(pair[0].clone())));
        cursor = text(next);
        if cursor == "0" {
            break;
        }
        fill(&mut connection, "h", 10 + round * 20..30 + round * 20);
        if round > 2 {
            run(&mut connection, &cmd!("HDEL", "h", format!("field:{}", 10 + round)));
        }
    }
    assert!((0..10).all(|n| seen.contains(&format!("field:{n}"))), "{seen:?}");
}

#[test]
fn a_transaction_may_rename_what_it_then_reads() {
    let dir = tempfile::tempdir().unwrap();
    let engine = with_a_large_hash(dir.path(), &relaxed(), 10_000);
    let mut connection = engine.connection();
    for command in [
        cmd!("MULTI"),
        cmd!("RENAME", "h", "g"),
        cmd!("HGET", "g", "field:5"),
        cmd!("HSET", "g", "field:6", "x"),
        cmd!("HRANDFIELD", "g"),
        cmd!("SWAPDB", 0, 1),
        cmd!("SELECT", 1),
        cmd!("HGET", "g", "field:7"),
    ] {
        run(&mut connection, &command);
    }
    let replies = run(&mut connection, &cmd!("EXEC")).into_array().unwrap();
    assert_eq!(replies[1], Reply::bulk(value(5).as_bytes()));
    assert_eq!(replies[2], Reply::Integer(0));
    assert!(matches!(replies[3], Reply::Bulk(_)), "{:?}", replies[3]);
    assert_eq!(replies[6], Reply::bulk(value(7).as_bytes()));
    let script =
        "redis.call('RENAME', KEYS[1], 'f'); return redis.call('HGET', 'f', 'field:' .. 8)";
    let reply = run(&mut connection, &cmd!("EVAL", script, 1, "g"));
    assert_eq!(reply, Reply::bulk(value(8).as_bytes()));
}

#[test]
fn a_large_hash_that_goes_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_700_000_000_000);
    let options =
        Options { clock: Arc::new(clock.clone()), checkpoint_interval_ms: 10, ..relaxed() };
    let engine = with_a_large_hash(dir.path(), &options, 20_000);
    let mut connection = engine.connection();
    let file = dir.path().join("store/data.mdb");
    let size = || fs::metadata(&file).unwrap().len();
    let before = size();
    // Deleted, overwritten, expired in memory, expired in the store: round after
    // round, in the room of the one before.
    for round in 0..16 {
        match round % 4 {
            0 => _ = integer(&mut connection, &cmd!("DEL", "h")),
            1 => _ = run(&mut connection, &cmd!("SET", "h", "a string")),
            2 => _ = integer(&mut connection, &cmd!("PEXPIRE", "h", 10)),
            _ => {
                run(&mut connection, &cmd!("PEXPIRE", "h", 10));
                engine.checkpoint().unwrap();
            }
        }
        clock.advance(1_000);
        run(&mut connection, &cmd!("EXISTS", "h"));
        engine.checkpoint().unwrap();
        // The background removes the parts once it is woken.
        let work = engine.clone();
        wait_until("the parts are gone from memory", || {
            work.connection().execute(&cmd!("SET", "tick", 1));
            work.checkpoint().unwrap();
            work.stats().memory < 64 << 10
        });
        run(&mut connection, &cmd!("DEL", "h"));
        fill(&mut connection, "h", 0..20_000);
        engine.checkpoint().unwrap();
    }
    assert_eq!(integer(&mut connection, &cmd!("HLEN", "h")), 20_000);
    assert!(size() < before * 8, "{} of {before} bytes", size());
}

#[test]
fn memory_keeps_to_its_limit_with_eight_times_as_much_data() {
    const LIMIT: usize = 4 << 20;
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        memory_limit: LIMIT,
        checkpoint_log_bytes: 512 << 10,
        durability: Durability::EverySec,
        ..Options::default()
    };
    let engine = Engine::open(dir.path(), options).unwrap();
    let mut connection = engine.connection();
    let filler = "v".repeat(200);
    for n in 0..80_000 {
        let field = format!("field:{n}");
        run(&mut connection, &cmd!("HSET", "h", &field, format!("{n}{filler}")));
        run(&mut connection, &cmd!("SET", format!("key:{n}"), format!("{n}{filler}")));
        if n % 2_000 == 0 {
            engine.checkpoint().unwrap();
        }
    }
    engine.checkpoint().unwrap();
    wait_until("clean parts and keys are dropped", || engine.stats().memory < LIMIT);
    let mut most = 0;
    for n in (0..80_000).step_by(37).chain((0..80_000).step_by(41)) {
        let expected = Reply::bulk(format!("{n}{filler}").as_bytes());
        assert_eq!(run(&mut connection, &cmd!("HGET", "h", format!("field:{n}"))), expected);
        assert_eq!(run(&mut connection, &cmd!("GET", format!("key:{n}"))), expected);
        most = most.max(engine.stats().memory);
    }
    assert!(most < LIMIT + LIMIT / 10, "{most} bytes of memory");
}

#[test]
fn going_through_everything_does_not_drive_out_what_is_used() {
    const LIMIT: usize = 4 << 20;
    let dir = tempfile::tempdir().unwrap();
    let options = Options { memory_limit: LIMIT, ..relaxed() };
    let engine = with_a_large_hash(dir.path(), &options, FIELDS);
    let mut connection = engine.connection();
    for n in 0..1_000 {
        run(&mut connection, &cmd!("SET", format!("hot:{n}"), value(n)));
    }
    engine.checkpoint().unwrap();
    let mut cursor = "0".to_owned();
    loop {
        let reply = run(&mut connection, &cmd!("HSCAN", "h", &cursor, "COUNT", 1_000));
        cursor = text(reply.into_array().unwrap().swap_remove(0));
        run(&mut connection, &cmd!("SCAN", 0, "COUNT", 500));
        for n in 0..1_000 {
            run(&mut connection, &cmd!("GET", format!("hot:{n}")));
        }
        if cursor == "0" {
            break;
        }
    }
    // What is used has stayed: reading it once more brings nothing in.
    let before = engine.stats().memory;
    for n in 0..1_000 {
        run(&mut connection, &cmd!("GET", format!("hot:{n}")));
    }
    let more = engine.stats().memory.saturating_sub(before);
    assert!(more < 16 << 10, "{more} bytes had to be read back");
}

#[test]
fn one_hash_is_changed_and_read_by_many_while_it_is_dropped_and_checkpointed() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { memory_limit: 100_000, part_bytes: 256, ..relaxed() };
    let engine = with_a_large_hash(dir.path(), &options, 5_000);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                engine.checkpoint().unwrap();
                thread::yield_now();
            }
        });
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let engine = &engine;
                scope.spawn(move || {
                    let mut connection = engine.connection();
                    for n in 0..3_000 {
                        let field = format!("field:{}", n * 7 % 500 * 3 + writer);
                        let counted = run(&mut connection, &cmd!("HGET", "h", &field));
                        assert!(matches!(counted, Reply::Bulk(_)), "{field}: {counted:?}");
                        let new = format!("writer {writer} {n}");
                        run(&mut connection, &cmd!("HSET", "h", &field, &new));
                        let again = run(&mut connection, &cmd!("HGET", "h", &field));
                        assert_eq!(again, Reply::bulk(new.as_bytes()));
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop.store(true, Ordering::Relaxed);
    });
    let mut connection = engine.connection();
    assert_eq!(integer(&mut connection, &cmd!("HLEN", "h")), 5_000);
    assert_eq!(scan(&mut connection, "h").len(), 5_000);
}
