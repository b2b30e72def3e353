//! Databases of which a part is only in the store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tuckbox_engine::{Connection, Durability, Engine, ManualClock, Options, Position};
use tuckbox_resp::{Command, Reply, cmd};

/// An engine of which `keys` keys with values of `bytes` bytes are only in the
/// store.
fn cold(dir: &Path, options: Options, keys: usize, bytes: usize) -> Engine {
    let engine = Engine::open(dir, options.clone()).unwrap();
    let mut connection = engine.connection();
    for n in 0..keys {
        connection.execute(&cmd!("SET", format!("key:{n}"), "v".repeat(bytes)));
    }
    drop(connection);
    engine.close().unwrap();
    drop(engine);
    Engine::open(dir, options).unwrap()
}

fn relaxed() -> Options {
    Options { durability: Durability::EverySec, ..Options::default() }
}

fn dbsize(connection: &mut Connection) -> i64 {
    connection.execute(&cmd!("DBSIZE")).reply.into_integer().unwrap()
}

/// Makes one checkpoint after another, each with something to save.
fn write_and_checkpoint(engine: &Engine, stop: &AtomicBool) {
    let mut connection = engine.connection();
    while !stop.load(Ordering::Relaxed) {
        connection.execute(&cmd!("INCR", "n"));
        engine.checkpoint().unwrap();
    }
}

/// Reads the keys of [`cold`] round and round.
fn read_all(engine: &Engine, keys: usize, stop: &AtomicBool) {
    let mut connection = engine.connection();
    for n in (0..keys).cycle() {
        connection.execute(&cmd!("GET", format!("key:{n}")));
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
}

#[test]
fn a_long_read_ends_while_one_checkpoint_follows_another() {
    let dir = tempfile::tempdir().unwrap();
    let engine = cold(dir.path(), relaxed(), 20_000, 10);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| write_and_checkpoint(&engine, &stop));
        let mut connection = engine.connection();
        let keys = connection.execute(&cmd!("KEYS", "key:*")).reply.into_array().unwrap();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(keys.len(), 20_000);
    });
}

#[test]
fn many_keys_are_read_though_they_are_dropped_and_checkpointed_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { memory_limit: 1, ..relaxed() };
    let engine = cold(dir.path(), options, 2_000, 8_000);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| write_and_checkpoint(&engine, &stop));
        // Reads of other keys have those of EXISTS dropped again.
        scope.spawn(|| read_all(&engine, 2_000, &stop));
        let mut connection = engine.connection();
        let mut exists = Command::new("EXISTS");
        (0..2_000).for_each(|n| exists.push(format!("key:{n}")));
        let exists = exists.build();
        for _ in 0..100 {
            assert_eq!(connection.execute(&exists).reply, Reply::Integer(2_000));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_random_key_is_found_while_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { checkpoint_interval_ms: 1_000_000, ..relaxed() };
    let engine = cold(dir.path(), options, 2_000, 10);
    let mut connection = engine.connection();
    for n in 10..2_000 {
        connection.execute(&cmd!("DEL", format!("key:{n}")));
    }
    assert_eq!(dbsize(&mut connection), 10);
    for _ in 0..200 {
        assert_ne!(connection.execute(&cmd!("RANDOMKEY")).reply, Reply::Null);
    }
}

#[test]
fn reading_large_values_keeps_to_the_memory_limit() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { memory_limit: 1 << 20, ..relaxed() };
    let engine = cold(dir.path(), options, 40, 1 << 20);
    let mut connection = engine.connection();
    for n in 0..40 {
        let reply = connection.execute(&cmd!("GET", format!("key:{n}"))).reply;
        assert_eq!(reply.into_bytes().unwrap().map(|value| value.len()), Some(1 << 20));
        // A key that was just used is dropped at the second visit, so a few stay
        // for a moment; 40 MiB would mean that the limit is not looked at.
        assert!(engine.stats().memory < 10 << 20, "{:?}", engine.stats());
    }
}

#[test]
fn a_closed_directory_can_be_opened_again_though_somebody_was_reading() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { memory_limit: 1, ..relaxed() };
    let mut engine = cold(dir.path(), options.clone(), 20, 100_000);
    for _ in 0..20 {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let reading = engine.clone();
            let stop = &stop;
            scope.spawn(move || read_all(&reading, 20, stop));
            engine.close().unwrap();
            engine = Engine::open(dir.path(), options.clone()).unwrap();
            stop.store(true, Ordering::Relaxed);
        });
    }
    assert_eq!(dbsize(&mut engine.connection()), 20);
}

#[test]
fn flushes_do_not_keep_checkpoints_from_being_made() {
    let dir = tempfile::tempdir().unwrap();
    let engine = cold(dir.path(), relaxed(), 1, 10);
    let mut connection = engine.connection();
    for n in 0..20_000 {
        connection.execute(&cmd!("SET", format!("new:{n}"), n));
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = engine.connection();
            connection.execute(&cmd!("SELECT", 5));
            while !stop.load(Ordering::Relaxed) {
                connection.execute(&cmd!("SET", "k", "v"));
                connection.execute(&cmd!("FLUSHDB"));
            }
        });
        engine.checkpoint().unwrap();
        stop.store(true, Ordering::Relaxed);
    });
    // What the store has can be dropped: all but what came after.
    drop(connection);
    engine.close().unwrap();
    drop(engine);
    let engine = Engine::open(dir.path(), relaxed()).unwrap();
    assert_eq!(dbsize(&mut engine.connection()), 20_001);
}

#[test]
fn an_aborted_transaction_tells_of_no_write_that_is_not_durable() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), relaxed()).unwrap();
    let (mut watching, mut writing) = (engine.connection(), engine.connection());
    watching.execute(&cmd!("WATCH", "k"));
    watching.execute(&cmd!("MULTI"));
    watching.execute(&cmd!("PING"));
    let written = writing.execute(&cmd!("SET", "k", "v")).position;
    let aborted = watching.execute(&cmd!("EXEC"));
    assert_eq!(aborted.reply, Reply::NullArray);
    assert!(written > Position::NONE);
    assert_eq!(aborted.position, written);
}

#[test]
fn what_was_counted_goes_on_after_a_flush() {
    let clock = ManualClock::at(1_000_000);
    let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
    let engine = Engine::in_memory(options).unwrap();
    let mut connection = engine.connection();
    connection.execute(&cmd!("SET", "a", 1, "PX", 10));
    clock.advance(100);
    connection.execute(&cmd!("GET", "a"));
    connection.execute(&cmd!("SET", "b", 1));
    connection.execute(&cmd!("FLUSHALL"));
    assert_eq!(engine.stats().expired, 1);
}
