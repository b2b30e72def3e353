//! The work, a phase to a process, so that no phase finds another one's memory. A phase prints `name value` lines.

use std::io::{Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::candidates::{Candidate, Key, Result, open};

const VALUE_BYTES: usize = 200;
const LARGE: usize = 10_000;
const LARGE_TIMES: usize = 20;
const SMALL: usize = 50;
const SMALL_TIMES: usize = 50;
const READS: u64 = 300_000;
/// While checkpoints run beside.
const READS_BESIDE_TIMES: usize = 10;

/// A small generator (xorshift64*): the same numbers in every run and for every store.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// Spread over all bits, as hashes are.
fn key(number: u64) -> Key {
    u128::from(number)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        .to_be_bytes()
}

/// Half of it random, half the same.
fn value(random: &mut Random) -> Vec<u8> {
    let mut value = vec![b'.'; VALUE_BYTES];
    for chunk in value[..VALUE_BYTES / 2].chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
    }
    value
}

fn changes(random: &mut Random, count: usize, records: u64) -> Vec<(Key, Vec<u8>)> {
    (0..count).map(|_| (key(random.below(records)), value(random))).collect()
}

pub fn run(phase: &str, name: &str, dir: &Path, records: u64) -> Result<()> {
    match phase {
        "load" => load(name, dir, records),
        "checkpoints" => checkpoints(name, dir, records),
        "reads" => reads(name, dir, records),
        "open" => first_read(name, dir),
        "crash" => crash(name, dir, records),
        other => Err(format!("no phase is called {other}").into()),
    }
}

fn load(name: &str, dir: &Path, records: u64) -> Result<()> {
    let store = open(name, dir)?;
    let mut random = Random(1);
    let before = Instant::now();
    for first in (0..records).step_by(LARGE) {
        let batch: Vec<_> = (first..records.min(first + LARGE as u64))
            .map(|number| (key(number), value(&mut random)))
            .collect();
        store.checkpoint(&batch)?;
    }
    tell("load_s", before.elapsed().as_secs_f64());
    tell("load_anon_mb", anonymous_mb()?);
    drop(store);
    tell("load_disk_mb", disk_mb(dir)?);
    Ok(())
}

fn checkpoints(name: &str, dir: &Path, records: u64) -> Result<()> {
    let store = open(name, dir)?;
    let mut random = Random(2);
    let peak = PeakMemory::watch();
    for (label, count, times) in [("large", LARGE, LARGE_TIMES), ("small", SMALL, SMALL_TIMES)] {
        let mut took = Vec::new();
        for _ in 0..times {
            let batch = changes(&mut random, count, records);
            let before = Instant::now();
            store.checkpoint(&batch)?;
            took.push(before.elapsed());
        }
        took.sort();
        tell(&format!("{label}_ms"), ms(took[took.len() / 2]));
        tell(&format!("{label}_worst_ms"), ms(took[took.len() - 1]));
    }
    tell("checkpoints_anon_mb", peak.end()?);
    drop(store);
    tell("checkpoints_disk_mb", disk_mb(dir)?);
    Ok(())
}

fn reads(name: &str, dir: &Path, records: u64) -> Result<()> {
    let store = open(name, dir)?;
    let read_some = |random: &mut Random| -> Result<()> {
        for _ in 0..READS {
            read_one(&*store, &key(random.below(records)))?;
        }
        Ok(())
    };
    read_some(&mut Random(3))?;
    let before = Instant::now();
    read_some(&mut Random(4))?;
    tell("read_ns", before.elapsed().as_nanos() as f64 / READS as f64);

    let done = AtomicBool::new(false);
    let mut took = std::thread::scope(|scope| -> Result<Vec<Duration>> {
        let reader = scope.spawn(|| -> Result<Vec<Duration>> {
            let mut random = Random(5);
            let mut took = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let before = Instant::now();
                read_one(&*store, &key(random.below(records)))?;
                took.push(before.elapsed());
            }
            Ok(took)
        });
        let mut random = Random(6);
        let written = (0..READS_BESIDE_TIMES)
            .try_for_each(|_| store.checkpoint(&changes(&mut random, LARGE, records)));
        done.store(true, Ordering::Relaxed);
        written?;
        reader.join().map_err(|_| "the reader panicked")?
    })?;
    took.sort();
    tell("read_beside_p50_ns", took[took.len() / 2].as_nanos() as f64);
    tell("read_beside_p99_us", took[took.len() * 99 / 100].as_nanos() as f64 / 1e3);
    tell("read_beside_worst_ms", ms(took[took.len() - 1]));
    Ok(())
}

fn first_read(name: &str, dir: &Path) -> Result<()> {
    let before = Instant::now();
    let store = open(name, dir)?;
    tell("open_ms", ms(before.elapsed()));
    read_one(&*store, &key(0))?;
    tell("first_read_ms", ms(before.elapsed()));
    Ok(())
}

/// Checkpoints without end, for the parent to kill.
fn crash(name: &str, dir: &Path, records: u64) -> Result<()> {
    let store = open(name, dir)?;
    let mut random = Random(7);
    loop {
        store.checkpoint(&changes(&mut random, LARGE, records))?;
        tell("committed", 1.0);
        stdout().flush()?;
    }
}

fn read_one(store: &dyn Candidate, key: &Key) -> Result<()> {
    match store.read(key)? {
        Some(VALUE_BYTES) => Ok(()),
        other => Err(format!("a record of {other:?} bytes was read").into()),
    }
}

fn tell(name: &str, value: f64) {
    println!("{name} {value}");
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The most anonymous memory while it lives, looked at every few milliseconds.
struct PeakMemory {
    done: Arc<AtomicBool>,
    watcher: JoinHandle<Result<f64>>,
}

impl PeakMemory {
    fn watch() -> PeakMemory {
        let done = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&done);
        let watcher = std::thread::spawn(move || {
            let mut peak = 0.0;
            while !watched.load(Ordering::Relaxed) {
                peak = anonymous_mb()?.max(peak);
                std::thread::sleep(Duration::from_millis(3));
            }
            Ok(peak)
        });
        PeakMemory { done, watcher }
    }

    fn end(self) -> Result<f64> {
        self.done.store(true, Ordering::Relaxed);
        self.watcher.join().map_err(|_| "the watcher of memory panicked")?
    }
}

/// Memory of this process that is not the cache of a file.
fn anonymous_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .ok_or("the kernel does not tell RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? * 1024.0 / 1e6)
}

/// What the files take on the disk.
fn disk_mb(dir: &Path) -> Result<f64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            match entry.metadata()? {
                meta if meta.is_dir() => dirs.push(entry.path()),
                meta => bytes += meta.blocks() * 512,
            }
        }
    }
    Ok(bytes as f64 / 1e6)
}
