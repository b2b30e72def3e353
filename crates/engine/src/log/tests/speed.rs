//! How fast the log is; prints, and asserts nothing. In release:
//! `cargo test --release -p tuckbox-engine -- --ignored --nocapture log::tests::speed`

use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::log::disk::{Directory, Disk, DiskFile};

const FRAME: [u8; 100] = [b'x'; 100];

fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize]
}

/// One writer appending 4 KiB and syncing, without the log.
fn bare_appends(directory: &std::path::Path) -> f64 {
    let file = std::fs::File::create(directory.join("bare")).unwrap();
    let block = [1; 4096];
    let start = Instant::now();
    let mut times = Vec::new();
    for number in 0..2000 {
        let begun = Instant::now();
        file.write_all_at(&block, number * 4096).unwrap();
        file.sync_data().unwrap();
        times.push(begun.elapsed());
    }
    let rate = per_second(2000, start.elapsed());
    let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    println!("bare 4 KiB append + fdatasync: {rate:.0}/s, p50 {p50:?}, p99 {p99:?}");
    rate
}

fn waiting_threads(directory: &std::path::Path, threads: u64, frames: u64) -> f64 {
    let options = LogOptions::new(Durability::Always, IDENTITY);
    let path = directory.join(format!("log{threads}"));
    let syncs = Arc::new(AtomicU64::new(0));
    let disk = Counting { disk: Directory::open(&path).unwrap(), syncs: Arc::clone(&syncs) };
    let log = Recovery::on(Arc::new(disk), 0, options).unwrap().start().unwrap().0;
    let log = Arc::new(log);
    let syncs_before = syncs.load(Ordering::Relaxed);
    let start = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                let mut times = Vec::new();
                for _ in 0..frames {
                    let begun = Instant::now();
                    write(&log, &FRAME);
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    let rate = per_second(threads * frames, start.elapsed());
    let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    let batches = syncs.load(Ordering::Relaxed) - syncs_before;
    let grouped = (threads * frames) as f64 / batches as f64;
    println!(
        "{threads} threads: {rate:.0} durable frames/s, p50 {p50:?}, p99 {p99:?}, \
         {batches} syncs, {grouped:.1} frames each"
    );
    rate
}

/// A directory whose files count how often they are synced.
struct Counting {
    disk: Directory,
    syncs: Arc<AtomicU64>,
}

struct CountingFile {
    file: Box<dyn DiskFile>,
    syncs: Arc<AtomicU64>,
}

impl Counting {
    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(CountingFile { file, syncs: Arc::clone(&self.syncs) })
    }
}

impl Disk for Counting {
    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(self.disk.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(self.disk.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

impl DiskFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(buf, offset)
    }

    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.file.allocate(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync_data()
    }
}

/// Runs where `TMPDIR` points to.
#[test]
#[ignore = "measures"]
fn group_commit_against_single_syncs() {
    let directory = tempfile::tempdir().unwrap();
    for (threads, frames) in [(1, 2000), (8, 2000), (64, 2000)] {
        // Before and after: other load on the machine must not flatter the log.
        let before = bare_appends(directory.path());
        let rate = waiting_threads(directory.path(), threads, frames);
        let bare = bare_appends(directory.path()).max(before);
        println!("  {:.1} times the faster of the bare appends", rate / bare);
    }
}

#[test]
#[ignore = "measures"]
fn the_cost_of_an_append() {
    for durability in [Durability::Always, Durability::EverySec] {
        let directory = tempfile::tempdir().unwrap();
        let options = LogOptions::new(durability, IDENTITY);
        let log = Log::open(directory.path(), 0, options).unwrap().start().unwrap().0;
        let mut last = 0;
        for _ in 0..5 {
            let start = Instant::now();
            (0..100_000).for_each(|_| last = log.append(&FRAME));
            let elapsed = start.elapsed();
            println!("{durability:?}: {:.0} ns per append", elapsed.as_nanos() as f64 / 1e5);
            log.wait(last).unwrap();
        }
        log.close().unwrap();
        let start = Instant::now();
        let options = LogOptions::new(durability, IDENTITY);
        let mut recovery = Log::open(directory.path(), 0, options).unwrap();
        while recovery.next().unwrap().is_some() {}
        println!(
            "  {} frames, {} MB read in {:?}",
            recovery.frames,
            recovery.bytes >> 20,
            start.elapsed()
        );
    }
}
