//! [`Pressure`]: writers wait for the disk when memory is full of what it does
//! not have yet.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

/// The longest that one command is held back, in milliseconds: when memory is a
/// tenth over its limit, or more.
const LONGEST_MS: u64 = 100;

/// What a tenth of the limit is at the least, in bytes.
const TENTH_MIN: u64 = 4 << 20;

/// How long commands that add data are held back, each.
///
/// Memory holds what no checkpoint has saved yet. Writers that are faster than
/// the disk are slowed down the more, the more it is over its limit, until they
/// are as fast as the disk.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    /// 0: not at all.
    wait_ms: AtomicU64,
    waiting: Mutex<()>,
    eased: Condvar,
}

impl Pressure {
    /// Whether commands have to wait.
    pub(super) fn is_felt(&self) -> bool {
        self.wait_ms.load(Ordering::Relaxed) > 0
    }

    /// Takes note of the bytes in memory and their limit.
    pub(super) fn note(&self, memory: usize, limit: usize) {
        let over = memory.saturating_sub(limit) as u64;
        let tenth = (limit as u64 / 10).max(TENTH_MIN);
        let wait_ms = (over.saturating_mul(LONGEST_MS) / tenth).min(LONGEST_MS);
        let before = self.wait_ms.swap(wait_ms, Ordering::Relaxed);
        if before > 0 && wait_ms == 0 {
            // Whoever looked before is waiting by now, and is woken.
            drop(self.waiting.lock());
            self.eased.notify_all();
        }
    }

    /// Waits until there is room, a bounded time.
    pub(super) fn hold_back(&self) {
        let mut waiting = self.waiting.lock();
        let wait_ms = self.wait_ms.load(Ordering::Relaxed);
        if wait_ms > 0 {
            self.eased.wait_for(&mut waiting, Duration::from_millis(wait_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_with_what_is_over_the_limit() {
        const LIMIT: usize = 1_000_000_000;
        let pressure = Pressure::default();
        for (over, wait_ms) in [(0, 0), (1_000_000, 1), (50_000_000, 50), (LIMIT * 3, 100), (0, 0)]
        {
            pressure.note(LIMIT + over, LIMIT);
            assert_eq!(pressure.wait_ms.load(Ordering::Relaxed), wait_ms, "{over}");
            assert_eq!(pressure.is_felt(), wait_ms > 0);
        }
        pressure.note(10_000, 1);
        assert!(!pressure.is_felt(), "a limit that is passed by a few keys");
    }
}
