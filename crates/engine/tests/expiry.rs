//! Keys whose time has come: in memory, in the store, a million at once.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tuckbox_engine::{Connection, Engine, ManualClock, Options};
use tuckbox_resp::{Reply, cmd};

/// Unix time at which the tests' clocks start, in milliseconds.
const START: u64 = 1_700_000_000_000;

/// How long to wait for what the background does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

fn options(clock: &ManualClock) -> Options {
    Options { clock: Arc::new(clock.clone()), memory_limit: usize::MAX, ..Options::default() }
}

fn dbsize(connection: &mut Connection) -> i64 {
    connection.execute(&cmd!("DBSIZE")).reply.into_integer().unwrap()
}

/// Waits until there are `keys` keys; returns how long that took.
fn wait_for_dbsize(connection: &mut Connection, keys: i64) -> Duration {
    let started = Instant::now();
    while dbsize(connection) != keys {
        let left = dbsize(connection);
        assert!(started.elapsed() < PATIENCE, "{left} keys are left, not {keys}");
        thread::sleep(Duration::from_millis(1));
    }
    started.elapsed()
}

/// Waits until `done`, which the background brings about.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// How long a command took, the slowest in a thousand and the slowest of all.
#[derive(Debug)]
struct Times {
    count: usize,
    p999: Duration,
    max: Duration,
}

/// What other commands meet while many keys expire at once.
#[derive(Debug)]
struct HoldUp {
    /// For as long after, when nothing expires.
    quiet: Times,
    meanwhile: Times,
    /// Until all keys were gone.
    expired_in: Duration,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reads, p99.9 {:?}, max {:?}", self.count, self.p999, self.max)
    }
}

impl fmt::Display for HoldUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quiet, meanwhile, expired_in } = self;
        write!(f, "gone in {expired_in:?}; meanwhile {meanwhile}; quiet {quiet}")
    }
}

/// Has all keys but one of `engine` expire while another thread reads that one.
fn expire_under_reads(engine: &Engine, clock: &ManualClock) -> HoldUp {
    let meanwhile = || {
        clock.advance(10_000);
        wait_for_dbsize(&mut engine.connection(), 1)
    };
    let (expired_in, meanwhile) = time_reads(engine, meanwhile);
    let (_, quiet) = time_reads(engine, || thread::sleep(expired_in));
    HoldUp { quiet, meanwhile, expired_in }
}

/// Runs `meanwhile` while another thread reads a key.
fn time_reads<R>(engine: &Engine, meanwhile: impl FnOnce() -> R) -> (R, Times) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut connection = engine.connection();
            let (get, mut times) = (cmd!("GET", "stays"), Vec::new());
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                let reply = connection.execute(&get).reply;
                times.push(started.elapsed());
                assert_eq!(reply, Reply::bulk(b"here"));
            }
            times
        });
        let result = meanwhile();
        stop.store(true, Ordering::Relaxed);
        let mut times = reader.join().unwrap();
        times.sort();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        (result, Times { count: times.len(), p999: at(0.999), max: at(1.0) })
    })
}

fn fill(engine: &Engine, keys: usize) {
    let mut connection = engine.connection();
    connection.execute(&cmd!("SET", "stays", "here"));
    for n in 0..keys {
        let reply =
            connection.execute(&cmd!("SET", format!("key:{n}"), "value", "PX", 10_000)).reply;
        assert_eq!(reply, Reply::OK);
    }
    assert_eq!(dbsize(&mut connection), keys as i64 + 1);
}

#[test]
fn a_million_keys_in_memory_expire_together() {
    let clock = ManualClock::at(START);
    let engine = Engine::in_memory(options(&clock)).unwrap();
    fill(&engine, 1_000_000);
    let full = engine.stats().memory;
    let hold_up = expire_under_reads(&engine, &clock);
    println!("in memory: {hold_up}, {full} bytes before, {} after", engine.stats().memory);
    // The keys went in many small steps, between which others had their turn.
    assert!(hold_up.meanwhile.count > 100, "{hold_up}");
    assert_eq!(engine.stats().expired, 1_000_000);
    assert!(engine.stats().memory < 10_000, "{} of {full} bytes", engine.stats().memory);
}

#[test]
fn keys_that_expire_together_are_forgotten_by_the_store_too() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(START);
    let engine = Engine::open(dir.path(), options(&clock)).unwrap();
    fill(&engine, 100_000);
    engine.checkpoint().unwrap();
    let full = engine.stats().memory;
    let hold_up = expire_under_reads(&engine, &clock);
    println!("with a store: {hold_up}");
    // Nobody writes: the background brings the store up to date by itself.
    wait_until("memory keeps the traces of what has expired", || {
        engine.stats().memory < full / 100
    });
}

#[test]
fn keys_that_are_only_in_the_store_expire_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(START);
    let keys = 100_000;
    {
        let engine = Engine::open(dir.path(), options(&clock)).unwrap();
        fill(&engine, keys);
        engine.close().unwrap();
    }
    let engine = Engine::open(dir.path(), options(&clock)).unwrap();
    let mut connection = engine.connection();
    assert_eq!(dbsize(&mut connection), keys as i64 + 1);
    assert_eq!(engine.stats().memory, 0, "nothing is loaded");
    let hold_up = expire_under_reads(&engine, &clock);
    println!("in the store: {hold_up}");
    wait_until("memory keeps the traces of what has expired", || engine.stats().memory < 10_000);

    // Expired while nobody had the directory open.
    let expired = dir.path().join("expired while closed");
    let engine = Engine::open(&expired, options(&clock)).unwrap();
    fill(&engine, keys);
    engine.close().unwrap();
    clock.advance(3_600_000);
    let engine = Engine::open(&expired, options(&clock)).unwrap();
    let mut connection = engine.connection();
    assert_eq!(connection.execute(&cmd!("GET", "key:7")).reply, Reply::Null);
    let took = wait_for_dbsize(&mut connection, 1);
    println!("expired while closed: {took:?}");
}

#[test]
fn expiry_times_are_kept_to_the_millisecond_over_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(START);
    let times = |engine: &Engine| -> Vec<Reply> {
        let mut connection = engine.connection();
        let keys = ["px", "ex", "pxat", "expire", "hash", "persisted", "renamed", "copied"];
        keys.iter().map(|key| connection.execute(&cmd!("PEXPIRETIME", *key)).reply).collect()
    };
    let at = |ms: u64| Reply::Integer((START + ms) as i64);
    let expected = [
        at(123_457),
        at(77_000),
        at(999_999),
        at(5_000_000),
        at(31_337),
        Reply::Integer(-1),
        at(4_242),
        at(4_243),
    ];
    let engine = Engine::open(dir.path(), options(&clock)).unwrap();
    let mut connection = engine.connection();
    for command in [
        cmd!("SET", "px", 1, "PX", 123_457),
        cmd!("SET", "ex", 1, "EX", 77),
        cmd!("SET", "pxat", 1, "PXAT", START + 999_999),
        cmd!("SET", "expire", 1),
        cmd!("EXPIRE", "expire", 5_000),
        cmd!("HSET", "hash", "field", 1),
        cmd!("PEXPIREAT", "hash", START + 31_337),
        cmd!("SET", "persisted", 1, "PX", 50),
        cmd!("GETEX", "persisted", "PERSIST"),
        cmd!("SET", "to rename", 1, "PX", 4_242),
        cmd!("RENAME", "to rename", "renamed"),
        cmd!("SET", "to copy", 1, "PX", 4_243),
        cmd!("COPY", "to copy", "copied"),
    ] {
        let executed = connection.execute(&command);
        assert!(!matches!(executed.reply, Reply::Error(_)), "{:?}", executed.reply);
        engine.wait_durable(executed.position).unwrap();
    }
    assert_eq!(times(&engine), expected);
    // From the log, then from the store.
    let crashed = dir.path().join("crashed");
    copy(dir.path(), &crashed, &crashed);
    engine.close().unwrap();
    for dir in [dir.path(), &crashed] {
        clock.advance(1);
        let engine = Engine::open(dir, options(&clock)).unwrap();
        assert_eq!(times(&engine), expected);
        assert_eq!(engine.connection().execute(&cmd!("GET", "renamed")).reply, Reply::bulk(b"1"));
    }
}

fn copy(from: &Path, to: &Path, except: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path() == except {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()), except);
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
