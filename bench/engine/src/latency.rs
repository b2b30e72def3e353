//! How long one command takes, on one thread.

use std::{
    hint::black_box,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tuckbox_engine::{Connection, Durability, Engine, Options};
use tuckbox_resp::{Command, cmd};

use crate::{
    failure::{Failure, accepted},
    keys::{Numbers, VALUE_BYTES, value},
};

/// Keys of a kind, or fields of all hashes together.
const KEYS: u64 = 1_000_000;
/// Fields of one hash.
const FIELDS: u64 = 5;
const CALLS: usize = 500_000;
/// Before the calls that count, to have memory and caches as they will be.
const WARM_UP: usize = 100_000;
/// About what a million keys with their values take.
const MEMORY_MIB: usize = 256;
const CACHE_LINE: usize = 64;
const NEW_VALUE: &[u8; VALUE_BYTES] = &[b'v'; VALUE_BYTES];

/// Makes the command to be measured.
type Make = fn(&Target) -> Command;

/// One call: how long it took.
type Call = fn(&mut Connection, &Target, Make) -> Result<Duration, Failure>;

/// Commands over a million keys of one kind, in an engine of their own.
struct Kind {
    name: &'static str,
    /// Stores what the number names.
    store: Make,
    measured: &'static [(&'static str, Make)],
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "strings",
        store: |target| cmd!("SET", &target.string, &value(target.number)),
        measured: &[
            ("GET", |target| cmd!("GET", &target.string)),
            ("SET", |target| cmd!("SET", &target.string, NEW_VALUE)),
        ],
    },
    Kind {
        name: "hashes",
        store: |target| cmd!("HSET", &target.hash, &target.field, &value(target.number)),
        measured: &[
            ("HGET", |target| cmd!("HGET", &target.hash, &target.field)),
            ("HSET", |target| cmd!("HSET", &target.hash, &target.field, NEW_VALUE)),
        ],
    },
    Kind {
        name: "counters",
        store: |target| cmd!("SET", &target.string, "0"),
        measured: &[("INCR", |target| cmd!("INCR", &target.string))],
    },
];

/// The names that a number has as a key.
struct Target {
    number: u64,
    string: String,
    hash: String,
    field: String,
}

impl Target {
    fn new(number: u64) -> Self {
        Self {
            number,
            string: format!("key:{number:07}"),
            hash: format!("hash:{:07}", number / FIELDS),
            field: format!("field-{}", number % FIELDS),
        }
    }
}

/// All commands, in memory and with a log in `dir`.
pub(crate) fn measure(dir: &Path) -> Result<Value, Failure> {
    let mut cases = Vec::new();
    // All keys stay in memory.
    let options = Options { memory_limit: 8 << 30, ..Options::default() };
    for kind in &KINDS {
        let engine = Engine::in_memory(options.clone())?;
        measure_kind(&engine, kind, None, &mut cases)?;
        engine.close()?;
    }
    let options = Options { durability: Durability::EverySec, ..options };
    for kind in &KINDS {
        let engine = Engine::open(dir.join(kind.name), options.clone())?;
        measure_kind(&engine, kind, Some(while_saving), &mut cases)?;
        engine.close()?;
    }
    Ok(json!({
        "keys": KEYS,
        "fields": FIELDS,
        "value_bytes": VALUE_BYTES,
        "calls": CALLS,
        "clock_ns": clock_ns(),
        "memory_mib": MEMORY_MIB,
        "memory_access_ns": memory_access_ns(),
        "cases": cases,
    }))
}

/// Measures a command of a kind while a checkpoint is made.
type Saving = fn(&Engine, &Kind, Make) -> Result<Value, Failure>;

/// `saving`: for an engine that has files.
fn measure_kind(
    engine: &Engine,
    kind: &Kind,
    saving: Option<Saving>,
    cases: &mut Vec<Value>,
) -> Result<(), Failure> {
    let mut connection = engine.connection();
    fill(&mut connection, kind)?;
    // What filling left to be written is not to be measured.
    engine.checkpoint()?;
    for (name, make) in kind.measured {
        cases.push(json!({
            "command": name,
            "engine": if saving.is_some() { "file" } else { "memory" },
            "executed": time(&mut connection, *make, executed)?,
            "whole": time(&mut connection, *make, whole)?,
            "saving": saving.map(|saving| saving(engine, kind, *make)).transpose()?,
        }));
    }
    Ok(())
}

fn fill(connection: &mut Connection, kind: &Kind) -> Result<(), Failure> {
    for number in 0..KEYS {
        let command = (kind.store)(&Target::new(number));
        accepted(connection.execute(&command).reply)?;
    }
    Ok(())
}

/// As [`whole`], while all keys, each of which was changed, go to the store.
fn while_saving(engine: &Engine, kind: &Kind, make: Make) -> Result<Value, Failure> {
    let mut connection = engine.connection();
    fill(&mut connection, kind)?;
    let mut times = Vec::with_capacity(CALLS);
    thread::scope(|scope| {
        let checkpoint = scope.spawn(|| engine.checkpoint());
        let mut numbers = Numbers(2);
        while !checkpoint.is_finished() {
            let target = Target::new(numbers.below(KEYS));
            times.push(whole(&mut connection, &target, make)?);
        }
        Ok::<(), Failure>(checkpoint.join().map_err(|_| Failure::Writer)??)
    })?;
    Ok(quantiles(times))
}

/// The engine's part, and the release of the reply.
fn executed(connection: &mut Connection, target: &Target, make: Make) -> Result<Duration, Failure> {
    let command = make(target);
    let began = Instant::now();
    drop(black_box(accepted(connection.execute(&command).reply)?));
    Ok(began.elapsed())
}

/// The same, with the making and release of the command.
fn whole(connection: &mut Connection, target: &Target, make: Make) -> Result<Duration, Failure> {
    let began = Instant::now();
    let command = make(target);
    drop(black_box(accepted(connection.execute(&command).reply)?));
    drop(command);
    Ok(began.elapsed())
}

fn time(connection: &mut Connection, make: Make, call: Call) -> Result<Value, Failure> {
    let mut numbers = Numbers(1);
    let mut targets = std::iter::repeat_with(|| Target::new(numbers.below(KEYS)));
    for target in targets.by_ref().take(WARM_UP) {
        call(connection, &target, make)?;
    }
    let mut times = Vec::with_capacity(CALLS);
    for target in targets.take(CALLS) {
        times.push(call(connection, &target, make)?);
    }
    Ok(quantiles(times))
}

fn quantiles(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    json!({
        "calls": times.len(),
        "median_ns": quantile(&times, 0.5),
        "p999_ns": quantile(&times, 0.999),
    })
}

fn quantile(sorted: &[Duration], part: f64) -> u64 {
    let index = (sorted.len() as f64 * part) as usize;
    sorted.get(index).map_or(0, |time| time.as_nanos() as u64)
}

/// What reading the clock adds to every time.
fn clock_ns() -> u64 {
    let mut times: Vec<Duration> = (0..CALLS).map(|_| Instant::now().elapsed()).collect();
    times.sort_unstable();
    quantile(&times, 0.5)
}

/// What this machine's memory takes for one access that is in no cache, the next of which is not
/// known before: the median of groups of a thousand.
fn memory_access_ns() -> u64 {
    // One ring through all lines of the memory, in no order (Sattolo's shuffle).
    let lines = (MEMORY_MIB << 20) / CACHE_LINE;
    let mut ring: Vec<[u64; CACHE_LINE / 8]> = (0..lines as u64).map(|line| [line; 8]).collect();
    let mut numbers = Numbers(1);
    for last in (1..lines).rev() {
        ring.swap(last, numbers.below(last as u64) as usize);
    }
    let mut line = 0;
    let mut groups: Vec<u64> = (0..1000)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..1000 {
                line = ring[line as usize][0];
            }
            black_box(line);
            began.elapsed().as_nanos() as u64 / 1000
        })
        .collect();
    groups.sort_unstable();
    groups[groups.len() / 2]
}
