//! Ten times as much data as memory: what the process holds, what a scan drives
//! out, and what one change of a large value writes. Counts, no times.
//!
//! Each part runs in a process of its own, this test binary again, since what is
//! looked at is the memory of the whole process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the figures are for whoever looks at them")]
#![cfg(target_os = "linux")]

use std::{collections::HashMap, fs, path::Path, process::Command as Process};

use tuckbox_engine::{Connection, Durability, Engine, Options};
use tuckbox_resp::{Command, Reply, cmd};

const LIMIT: usize = 16 << 20;

/// What a process takes besides what the limit is about: code and its data, the
/// stacks of threads, buffers of the log (one batch that is written, one that
/// grows), the arenas of the allocator, and the changed pages that LMDB keeps for
/// a checkpoint: up to 32 MiB, of which a limit as small as this one leaves only
/// an eighth of itself free. At 256 MiB and above they are within the limit.
const BESIDES: usize = 40 << 20;

/// Ten times the limit, in items of a name and 100 to 1,900 bytes.
const ITEMS: u64 = 160_000;

/// Keys that are used all the time.
const HOT: u64 = 1_000;

#[test]
fn ten_times_the_limit_in_keys_takes_no_more_memory_than_the_limit() {
    run_apart("keys_apart");
}

#[test]
fn ten_times_the_limit_in_one_hash_takes_no_more_memory_than_the_limit() {
    run_apart("hash_apart");
}

/// Runs a test of this file in a process of its own.
fn run_apart(name: &str) {
    // What is written is of no interest, only how much: memory is the quicker disk.
    let shared = Path::new("/dev/shm");
    let dir = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
    let dir = dir.unwrap();
    let mut process = Process::new(std::env::current_exe().unwrap());
    process.args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"]);
    let output = process.env("TUCKBOX_MEMORY_DIR", dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

fn options() -> Options {
    Options { memory_limit: LIMIT, durability: Durability::EverySec, ..Options::default() }
}

fn run(connection: &mut Connection, command: &Command) -> Reply {
    let reply = connection.execute(command).reply;
    assert!(!matches!(reply, Reply::Error(_)), "{command:?}: {reply:?}");
    reply
}

/// Reproducible numbers: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

fn name(number: u64) -> String {
    format!("item:{number:09}")
}

/// Version `version` of an item's value.
fn value(number: u64, version: u64) -> String {
    let length = 100 + (number * 7919 % 1_801) as usize;
    format!("{number} {version} {}", "v".repeat(length))
}

/// The memory that this process has of its own, in bytes: all but mapped files.
fn anonymous() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() << 10
}

/// The most that was held, and by which step.
#[derive(Default)]
struct Most {
    bytes: usize,
    step: &'static str,
    looks: u64,
}

impl Most {
    /// Looks now and then.
    fn look(&mut self, step: &'static str) {
        self.looks += 1;
        let bytes = if self.looks.is_multiple_of(256) { anonymous() } else { 0 };
        if bytes > self.bytes {
            (self.bytes, self.step) = (bytes, step);
        }
    }

    fn check(&self) {
        let Self { bytes, step, .. } = self;
        println!("{} MiB at the most, while it {step}", bytes >> 20);
        assert!(*bytes < LIMIT / 10 * 11 + BESIDES, "{bytes} bytes while it {step}");
    }
}

/// Items as keys, or as fields of one hash.
#[derive(Clone, Copy)]
enum Items {
    Keys,
    Fields,
}

impl Items {
    fn set(self, number: u64, version: u64) -> Command {
        match self {
            Self::Keys => cmd!("SET", name(number), value(number, version)),
            Self::Fields => cmd!("HSET", "large", name(number), value(number, version)),
        }
    }

    fn get(self, number: u64) -> Command {
        match self {
            Self::Keys => cmd!("GET", name(number)),
            Self::Fields => cmd!("HGET", "large", name(number)),
        }
    }

    fn scan(self, cursor: &str) -> Command {
        match self {
            Self::Keys => cmd!("SCAN", cursor, "COUNT", 1_000),
            Self::Fields => cmd!("HSCAN", "large", cursor, "COUNT", 1_000),
        }
    }

    /// How many a reply to a scan holds.
    fn scanned(self, found: Reply) -> u64 {
        let per_item = if matches!(self, Self::Keys) { 1 } else { 2 };
        found.into_array().unwrap().len() as u64 / per_item
    }
}

/// Fills, reads and writes at random, and goes through all of it; returns the
/// engine, in which [`HOT`] items were read all the time.
fn work(items: Items, dir: &Path) -> (Engine, Connection) {
    let engine = Engine::open(dir, options()).unwrap();
    let mut connection = engine.connection();
    let mut most = Most::default();
    for number in 0..ITEMS {
        run(&mut connection, &items.set(number, 0));
        most.look("was filled");
    }
    let mut numbers = Numbers(7);
    let mut versions = HashMap::new();
    for _ in 0..ITEMS / 10 {
        let number = numbers.below(ITEMS);
        if numbers.below(4) == 0 {
            let version = versions.entry(number).or_insert(0);
            *version += 1;
            run(&mut connection, &items.set(number, *version));
        } else {
            let version = versions.get(&number).copied().unwrap_or(0);
            let expected = Reply::bulk(value(number, version).as_bytes());
            assert_eq!(run(&mut connection, &items.get(number)), expected, "item {number}");
        }
        most.look("read and wrote at random");
    }
    let (mut cursor, mut found) = ("0".to_owned(), 0);
    for step in 0.. {
        let reply = run(&mut connection, &items.scan(&cursor)).into_array().unwrap();
        let [next, some] = <[Reply; 2]>::try_from(reply).unwrap();
        found += items.scanned(some);
        cursor = String::from_utf8(next.into_bytes().unwrap().unwrap().to_vec()).unwrap();
        // Meanwhile the hot ones are used, a tenth of them at each step.
        for number in 0..HOT / 10 {
            run(&mut connection, &items.get(number * 10 + step % 10));
        }
        most.look("was gone through");
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(found, ITEMS);
    most.check();
    (engine, connection)
}

/// How many reads of the store it takes to read the hot items again.
fn hot_reads(engine: &Engine, connection: &mut Connection, items: Items) -> u64 {
    let before = engine.stats().store_reads;
    for number in 0..HOT {
        run(connection, &items.get(number));
    }
    engine.stats().store_reads - before
}

#[test]
#[ignore = "runs in a process of its own, started by another test"]
fn keys_apart() {
    let Some(dir) = std::env::var_os("TUCKBOX_MEMORY_DIR") else { return };
    let (engine, mut connection) = work(Items::Keys, Path::new(&dir));
    let reads = hot_reads(&engine, &mut connection, Items::Keys);
    println!("{reads} of {HOT} hot keys had to be read back");
    assert!(reads < HOT / 50, "{reads} of {HOT} hot keys had to be read back");
    engine.close().unwrap();
}

#[test]
#[ignore = "runs in a process of its own, started by another test"]
fn hash_apart() {
    let Some(dir) = std::env::var_os("TUCKBOX_MEMORY_DIR") else { return };
    let (engine, mut connection) = work(Items::Fields, Path::new(&dir));
    let reads = hot_reads(&engine, &mut connection, Items::Fields);
    println!("{reads} of {HOT} hot fields had to be read back");
    assert!(reads < HOT / 50, "{reads} of {HOT} hot fields had to be read back");
    engine.close().unwrap();
    drop((engine, connection));

    // One field of it, in a checkpoint of its own.
    let idle = Options { checkpoint_interval_ms: 3_600_000, ..options() };
    let engine = Engine::open(&dir, idle).unwrap();
    let mut connection = engine.connection();
    let executed = connection.execute(&Items::Fields.set(77, 9));
    engine.wait_durable(executed.position).unwrap();
    let before = written();
    engine.checkpoint().unwrap();
    let bytes = written() - before;
    println!("{bytes} bytes for one field of {ITEMS}");
    assert!((1..64 << 10).contains(&bytes), "{bytes} bytes for one field of {ITEMS}");
    let expected = Reply::bulk(value(77, 9).as_bytes());
    assert_eq!(run(&mut connection, &Items::Fields.get(77)), expected);
    engine.close().unwrap();
}

/// Bytes that this thread has given to files. Checkpoints are written by the
/// thread that asks for them.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    line.parse().unwrap()
}
