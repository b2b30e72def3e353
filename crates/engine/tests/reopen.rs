//! What a data directory holds when it is opened again.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::Path, sync::Arc};

use tuckbox_engine::{Connection, Durability, Engine, ManualClock, OpenError, Options};
use tuckbox_resp::{Command, Reply, cmd};

/// Unix time at which the tests' clocks start, in milliseconds.
const START: u64 = 1_700_000_000_000;

fn options(clock: &ManualClock) -> Options {
    Options { clock: Arc::new(clock.clone()), ..Options::default() }
}

fn open(dir: &Path, clock: &ManualClock) -> Engine {
    Engine::open(dir, options(clock)).expect("the directory opens")
}

/// Runs a command and waits until it is durable.
fn run(engine: &Engine, connection: &mut Connection, command: &Command) -> Reply {
    let executed = connection.execute(command);
    engine.wait_durable(executed.position).expect("the write is durable");
    assert!(!matches!(executed.reply, Reply::Error(_)), "{command:?}: {:?}", executed.reply);
    executed.reply
}

fn get(engine: &Engine, key: &str) -> Reply {
    engine.connection().execute(&cmd!("GET", key)).reply
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
fn everything_is_there_after_a_close_and_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (live, crashed) = (dir.path().join("live"), dir.path().join("crashed"));
    let clock = ManualClock::at(START);
    let engine = open(&live, &clock);
    let mut connection = engine.connection();
    for n in 0..500 {
        run(&engine, &mut connection, &cmd!("SET", format!("key:{n}"), n));
        if n == 200 {
            engine.checkpoint().unwrap();
        }
    }
    run(&engine, &mut connection, &cmd!("HSET", "h", "a", 1, "b", "two"));
    run(&engine, &mut connection, &cmd!("DEL", "key:7"));
    run(&engine, &mut connection, &cmd!("SET", "short", "lived", "PX", 5_000));
    crash_copy(&live, &crashed);
    engine.close().unwrap();

    for dir in [&live, &crashed] {
        let clock = ManualClock::at(START + 1_000);
        let engine = open(dir, &clock);
        let mut connection = engine.connection();
        assert_eq!(run(&engine, &mut connection, &cmd!("DBSIZE")), Reply::Integer(501));
        for n in 0..500 {
            let expected = if n == 7 { Reply::Null } else { Reply::bulk(n.to_string().as_bytes()) };
            assert_eq!(get(&engine, &format!("key:{n}")), expected);
        }
        assert_eq!(run(&engine, &mut connection, &cmd!("HGET", "h", "b")), Reply::bulk(b"two"));
        assert_eq!(run(&engine, &mut connection, &cmd!("PTTL", "short")), Reply::Integer(4_000));
        clock.advance(4_000);
        assert_eq!(get(&engine, "short"), Reply::Null);
    }
}

#[test]
fn logical_databases_flushes_and_swaps_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(START);
    for checkpoint in [false, true] {
        let live = dir.path().join(checkpoint.to_string());
        let crashed = live.with_extension("crashed");
        let engine = open(&live, &clock);
        let mut connection = engine.connection();
        run(&engine, &mut connection, &cmd!("SET", "in", "zero"));
        engine.checkpoint().unwrap();
        run(&engine, &mut connection, &cmd!("SELECT", 3));
        run(&engine, &mut connection, &cmd!("SET", "in", "three"));
        run(&engine, &mut connection, &cmd!("SWAPDB", 0, 3));
        if checkpoint {
            engine.checkpoint().unwrap();
        }
        run(&engine, &mut connection, &cmd!("FLUSHDB"));
        run(&engine, &mut connection, &cmd!("SET", "after", "flush"));
        if checkpoint {
            engine.checkpoint().unwrap();
        }
        crash_copy(&live, &crashed);
        let engine = open(&crashed, &clock);
        let mut connection = engine.connection();
        assert_eq!(run(&engine, &mut connection, &cmd!("GET", "in")), Reply::bulk(b"three"));
        run(&engine, &mut connection, &cmd!("SELECT", 3));
        assert_eq!(run(&engine, &mut connection, &cmd!("GET", "in")), Reply::Null);
        assert_eq!(run(&engine, &mut connection, &cmd!("GET", "after")), Reply::bulk(b"flush"));
        assert_eq!(run(&engine, &mut connection, &cmd!("DBSIZE")), Reply::Integer(1));
    }
}

#[test]
fn a_second_engine_on_a_directory_is_told_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(START);
    let engine = open(dir.path(), &clock);
    match Engine::open(dir.path(), options(&clock)) {
        Err(error @ OpenError::InUse { .. }) => {
            let text = error.to_string();
            assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        }
        other => panic!("{other:?}"),
    }
    engine.close().unwrap();
    open(dir.path(), &clock);
}

#[test]
fn a_directory_that_cannot_be_made_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let error = Engine::open(file.join("data"), Options::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("file/data") && text.contains("can write"), "{text}");
}

#[test]
fn writes_after_the_close_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &ManualClock::at(START));
    let mut connection = engine.connection();
    run(&engine, &mut connection, &cmd!("SET", "k", "v"));
    engine.close().unwrap();
    let reply = connection.execute(&cmd!("SET", "k", "w")).reply;
    assert_eq!(reply, Reply::error("ERR the database is closed"));
}

#[test]
fn a_wait_for_the_log_covers_every_write() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path(), &ManualClock::at(START));
    let mut connection = engine.connection();
    let written = connection.execute(&cmd!("SET", "k", "v")).position;
    let waited = connection.execute(&cmd!("WAITAOF", 1, 0, 0));
    assert_eq!(waited.reply, Reply::Array(vec![Reply::Integer(1), Reply::Integer(0)]));
    engine.wait_durable(waited.position).unwrap();
    let now = connection.execute(&cmd!("GET", "k"));
    assert_eq!(now.position, tuckbox_engine::Position::NONE, "{written:?} is on disk");
}

#[test]
fn a_database_larger_than_its_memory_answers_for_every_key() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options {
        memory_limit: 2 << 20,
        durability: Durability::EverySec,
        checkpoint_log_bytes: 256 << 10,
        ..Options::default()
    };
    let engine = Engine::open(dir.path(), options()).unwrap();
    let mut connection = engine.connection();
    let value = "v".repeat(200);
    for n in 0..40_000 {
        let executed = connection.execute(&cmd!("SET", format!("key:{n}"), format!("{n}{value}")));
        assert_eq!(executed.reply, Reply::OK);
        if n % 5_000 == 0 {
            engine.checkpoint().unwrap();
        }
    }
    engine.checkpoint().unwrap();
    for n in (0..40_000).rev().step_by(7) {
        assert_eq!(
            get(&engine, &format!("key:{n}")),
            Reply::bulk(format!("{n}{value}").as_bytes())
        );
    }
    assert_eq!(run(&engine, &mut connection, &cmd!("DBSIZE")), Reply::Integer(40_000));
    assert_eq!(run(&engine, &mut connection, &cmd!("DEL", "key:9")), Reply::Integer(1));
    let keys = run(&engine, &mut connection, &cmd!("KEYS", "*")).into_array().unwrap();
    assert_eq!(keys.len(), 39_999);
    assert!(engine.stats().memory < 6 << 20, "{:?}", engine.stats());
}
