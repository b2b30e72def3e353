//! [`Watch`]: what is known of a running script without the database's lock.

use std::sync::atomic::{AtomicU8, Ordering};

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const WROTE: u8 = 2;
const KILLED: u8 = 3;

/// Whether a script runs, and whether it is to end; for `SCRIPT KILL`, which
/// cannot wait for the lock that the script holds.
#[derive(Debug, Default)]
pub(crate) struct Watch(AtomicU8);

/// What `SCRIPT KILL` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// No script runs.
    Idle,
    /// The script has written: it cannot be ended without leaving half of its
    /// work.
    Wrote,
    /// The script ends.
    Killed,
}

impl Watch {
    /// A script begins.
    pub(super) fn begin(&self) {
        self.0.store(RUNNING, Ordering::Relaxed);
    }

    /// The script wrote something. Returns whether it may: a script that was
    /// told to end may not.
    pub(super) fn writes(&self) -> bool {
        let changed = self.0.compare_exchange(RUNNING, WROTE, Ordering::Relaxed, Ordering::Relaxed);
        changed.is_ok() || self.0.load(Ordering::Relaxed) == WROTE
    }

    /// The script ended.
    pub(super) fn end(&self) {
        self.0.store(IDLE, Ordering::Relaxed);
    }

    /// Whether the script is to end.
    pub(super) fn is_killed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == KILLED
    }

    /// Tells the script that runs to end.
    pub(crate) fn kill(&self) -> Kill {
        let killed = self.0.compare_exchange(RUNNING, KILLED, Ordering::Relaxed, Ordering::Relaxed);
        match killed {
            Ok(_) | Err(KILLED) => Kill::Killed,
            Err(WROTE) => Kill::Wrote,
            Err(_) => Kill::Idle,
        }
    }
}
