//! Reads from the store while the keys change: what was read outside the lock
//! must not be believed once it is not so any more.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use tuckbox_engine::{Connection, Durability, Engine, Options};
use tuckbox_resp::{Reply, cmd};

/// An engine that keeps hardly any key in memory.
fn tiny(dir: &tempfile::TempDir) -> Engine {
    let options = Options {
        durability: Durability::EverySec,
        memory_limit: 1,
        checkpoint_interval_ms: 1,
        checkpoint_log_bytes: 1000,
        ..Options::default()
    };
    Engine::open(dir.path(), options).unwrap()
}

fn run(connection: &mut Connection, line: &str) -> Reply {
    let mut words = line.split(' ');
    let mut command = tuckbox_resp::Command::new(words.next().unwrap());
    words.for_each(|word| command.push(word));
    let reply = connection.execute(&command.build()).reply;
    assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    reply
}

#[test]
fn keys_that_come_and_go_from_memory_are_never_missed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = tiny(&dir);
    let mut connection = engine.connection();
    for n in 0..500 {
        run(&mut connection, &format!("SET key:{n} {n}"));
    }
    engine.checkpoint().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Each of these reads drops others from memory.
        for worker in 0..2 {
            let (engine, stop) = (&engine, &stop);
            scope.spawn(move || {
                let mut connection = engine.connection();
                let mut n = worker * 250;
                while !stop.load(Ordering::Relaxed) {
                    n = (n + 7) % 500;
                    run(&mut connection, &format!("GET key:{n}"));
                }
            });
        }
        for n in 0..3_000 {
            let keys: Vec<_> = (0..6).map(|i| format!("key:{}", (n * 31 + i * 83) % 500)).collect();
            let found = run(&mut connection, &format!("EXISTS {}", keys.join(" ")));
            if found != Reply::Integer(6) {
                stop.store(true, Ordering::Relaxed);
                panic!("{found:?} of 6 keys are there");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_key_of_an_emptied_database_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let engine = tiny(&dir);
    let mut connection = engine.connection();
    let stop = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (engine, stop, reads) = (&engine, &stop, &reads);
            scope.spawn(move || {
                let mut connection = engine.connection();
                while !stop.load(Ordering::Relaxed) {
                    for n in 0..20 {
                        run(&mut connection, &format!("GET key:{n}"));
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..150 {
            for n in 0..20 {
                run(&mut connection, &format!("SET key:{n} {round}"));
            }
            engine.checkpoint().unwrap();
            let before = reads.load(Ordering::Relaxed);
            while reads.load(Ordering::Relaxed) < before + 2 {
                thread::yield_now();
            }
            run(&mut connection, "FLUSHDB");
            let left = run(&mut connection, "EXISTS key:1 key:2 key:3 key:4 key:5 key:6 key:7");
            let count = run(&mut connection, "DBSIZE");
            let before = reads.load(Ordering::Relaxed);
            while reads.load(Ordering::Relaxed) < before + 3 {
                thread::yield_now();
            }
            let later = run(&mut connection, "KEYS *");
            let empty = (Reply::Integer(0), Reply::Integer(0), Reply::Array(Vec::new()));
            if (left.clone(), count.clone(), later.clone()) != empty {
                stop.store(true, Ordering::Relaxed);
                panic!("round {round}: {left:?}, {count:?}, {later:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_transaction_that_swaps_databases_sees_the_keys_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = {
        let engine = tiny(&dir);
        let mut connection = engine.connection();
        for line in ["SET n 10", "SELECT 1", "SET n 20", "SET only:one 1"] {
            run(&mut connection, line);
        }
        engine.close().unwrap();
        drop(connection);
        drop(engine);
        tiny(&dir).connection()
    };
    let lines = "MULTI/INCR n/SWAPDB 0 1/INCR n/GET only:one/SELECT 1/INCR n/SWAPDB 1 2/EXISTS n";
    for line in lines.split('/') {
        run(&mut connection, line);
    }
    let replies = run(&mut connection, "EXEC").into_array().unwrap();
    let expected = [
        Reply::Integer(11),
        Reply::OK,
        Reply::Integer(21),
        Reply::bulk(b"1"),
        Reply::OK,
        Reply::Integer(12),
        Reply::OK,
        Reply::Integer(0),
    ];
    assert_eq!(replies, expected);
}

#[test]
fn a_transaction_that_lists_two_databases_never_mixes_them() {
    let dir = tempfile::tempdir().unwrap();
    {
        let engine = tiny(&dir);
        let mut connection = engine.connection();
        for line in ["SET in:zero 1", "SELECT 1", "SET in:one 1"] {
            run(&mut connection, line);
        }
        engine.close().unwrap();
    }
    let engine = tiny(&dir);
    let mut connection = engine.connection();
    for command in [cmd!("MULTI"), cmd!("KEYS", "*"), cmd!("SELECT", 1), cmd!("KEYS", "*")] {
        connection.execute(&command);
    }
    let replies = connection.execute(&cmd!("EXEC")).reply.into_array().unwrap();
    assert_eq!(replies[0], Reply::Array(vec![Reply::bulk(b"in:zero")]));
    let second = &replies[2];
    let fits =
        *second == Reply::Array(vec![Reply::bulk(b"in:one")]) || matches!(second, Reply::Error(_));
    assert!(fits, "{second:?}");
}

#[test]
fn checkpoints_that_are_asked_for_do_not_disturb_those_of_the_background() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let engine = tiny(&dir);
        let mut connection = engine.connection();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..100).for_each(|_| engine.checkpoint().unwrap()));
            }
            for n in 0..3_000 {
                run(&mut connection, &format!("APPEND key:{} x", n % 100));
            }
        });
        drop(connection);
        engine.close().unwrap();
        drop(engine);
        let engine = tiny(&dir);
        let mut connection = engine.connection();
        for n in 0..100 {
            let len = run(&mut connection, &format!("STRLEN key:{n}"));
            assert_eq!(len, Reply::Integer(30 * (round + 1)), "key {n}");
        }
    }
}
