//! The log on disks that fail, run full and lose their power.

mod fake_disk;
mod faults;
mod group_commit;
mod on_files;
mod power_cut;
mod reopening;
mod speed;

use std::sync::Arc;
use std::time::Duration;

use self::fake_disk::FakeDisk;
use super::recovery::Recovery;
use super::{Durability, Log, LogError, LogOptions, Position, Recovered};

const IDENTITY: u64 = 0x9e37_79b9_7f4a_7c15;

/// Small segments; nothing happens by the clock alone.
fn options(durability: Durability) -> LogOptions {
    LogOptions {
        segment_bytes: 32 * 1024,
        pending_limit: 1024 * 1024,
        spare_segments: 2,
        sync_interval: Duration::from_secs(3600),
        full_retry: Duration::from_millis(1),
        ..LogOptions::new(durability, IDENTITY)
    }
}

fn recover(disk: &FakeDisk, after: Position) -> Result<Recovery, LogError> {
    Recovery::on(Arc::new(disk.clone()), after, options(Durability::Always))
}

/// Opens an `Always` log without looking at its frames.
fn open(disk: &FakeDisk) -> Log {
    recover(disk, 0).unwrap().start().unwrap().0
}

/// Appends one frame and waits for it: a batch of its own.
fn write(log: &Log, frame: &[u8]) -> Position {
    let position = log.append(frame);
    log.wait(position).unwrap();
    position
}

/// Every frame after `after`, or why it cannot be read.
fn frames(disk: &FakeDisk, after: Position) -> Result<Vec<(Position, Vec<u8>)>, LogError> {
    let mut recovery = recover(disk, after)?;
    let mut frames = Vec::new();
    while let Some(frame) = recovery.next()? {
        frames.push((frame.position, frame.bytes.to_vec()));
    }
    Ok(frames)
}

/// What opening `disk` reports.
fn reopen(disk: &FakeDisk) -> Result<Recovered, LogError> {
    let (log, recovered) = recover(disk, 0)?.start()?;
    log.close()?;
    Ok(recovered)
}

/// A reproducible stream of numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
