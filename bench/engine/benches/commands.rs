//! How long one command takes on a million keys in random order, made and
//! released with its reply, in memory and with files: `cargo bench -p bench-engine`.
//!
//! `bench-engine latency` measures the same call by call, for the slowest ones.

use std::{cell::Cell, error::Error, hint::black_box};

use criterion::{BatchSize, Criterion};
use tuckbox_engine::{Connection, Durability, Engine, Options};
use tuckbox_resp::{Command, Reply, cmd};

/// Keys of a kind, or fields of all hashes together.
const KEYS: u64 = 1_000_000;
/// Fields of one hash.
const FIELDS: u64 = 5;
const VALUE: [u8; 100] = [b'v'; 100];
/// Names that are made before as many commands are timed: few, to stay out of
/// the way of the keys in the caches.
const BATCH: BatchSize = BatchSize::NumIterations(64);

/// The names of a number: as a string or counter, as a hash, as a field.
type Names = (String, String, String);
type Make = fn(&Names) -> Command;

/// What is there, and what is measured on it.
const KINDS: [(Make, &[(&str, Make)]); 3] = [
    (set, &[("GET", |(key, ..)| cmd!("GET", key)), ("SET", set)]),
    (hset, &[("HGET", |(_, key, field)| cmd!("HGET", key, field)), ("HSET", hset)]),
    (|(key, ..)| cmd!("SET", key, "0"), &[("INCR", |(key, ..)| cmd!("INCR", key))]),
];

fn set((key, ..): &Names) -> Command {
    cmd!("SET", key, &VALUE[..])
}

fn hset((_, key, field): &Names) -> Command {
    cmd!("HSET", key, field, &VALUE[..])
}

fn names(number: u64) -> Names {
    let field = format!("field-{}", number % FIELDS);
    (format!("key:{number:07}"), format!("hash:{:07}", number / FIELDS), field)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let options = Options { memory_limit: 8 << 30, ..Options::default() };
    for (fill, measured) in KINDS {
        let engine = Engine::in_memory(options.clone())?;
        measure(&mut criterion, &engine, "memory", fill, measured)?;
        engine.close()?;
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let options = Options { durability: Durability::EverySec, ..options.clone() };
        let engine = Engine::open(dir.path(), options)?;
        measure(&mut criterion, &engine, "file", fill, measured)?;
        engine.close()?;
    }
    criterion.final_summary();
    Ok(())
}

fn measure(
    criterion: &mut Criterion,
    engine: &Engine,
    engine_name: &str,
    fill: Make,
    measured: &[(&str, Make)],
) -> Result<(), Box<dyn Error>> {
    let mut connection = engine.connection();
    for number in 0..KEYS {
        run(&mut connection, &fill(&names(number)));
    }
    // What filling left to be written is not to be measured.
    engine.checkpoint()?;
    let mut group = criterion.benchmark_group(engine_name);
    for (name, make) in measured {
        let number = Cell::new(0);
        let next = || {
            // Steps of a number that shares no factor with the count meet every key.
            number.set((number.get() + 7_368_787) % KEYS);
            names(number.get())
        };
        group.bench_function(*name, |bencher| {
            bencher.iter_batched_ref(next, |names| run(&mut connection, &make(names)), BATCH);
        });
    }
    group.finish();
    Ok(())
}

/// An error reply would be measured as a very fast command.
fn run(connection: &mut Connection, command: &Command) {
    let reply = black_box(connection.execute(command).reply);
    assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
}
