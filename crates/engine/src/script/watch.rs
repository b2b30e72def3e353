//! [`Watch`]: what is known of a running script without the database's lock.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use crate::host::ScriptListener;

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const WROTE: u8 = 2;
const KILLED: u8 = 3;

/// Whether a script runs, and whether it is to end; for `SCRIPT KILL`, which
/// cannot wait for the lock that the script holds. And who hears of scripts.
#[derive(Default)]
pub(crate) struct Watch {
    state: AtomicU8,
    listener: OnceLock<Arc<dyn ScriptListener>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("state", &self.state).finish_non_exhaustive()
    }
}

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
    /// Has `listener` hear of scripts from now on, unless somebody does already.
    pub(crate) fn tell(&self, listener: Arc<dyn ScriptListener>) {
        _ = self.listener.set(listener);
    }

    /// Who hears of scripts.
    pub(super) fn listener(&self) -> Option<&Arc<dyn ScriptListener>> {
        self.listener.get()
    }

    /// A script begins.
    pub(super) fn begin(&self) {
        self.state.store(RUNNING, Ordering::Relaxed);
    }

    /// The script wrote something. Returns whether it may: a script that was
    /// told to end may not.
    pub(super) fn writes(&self) -> bool {
        let changed =
            self.state.compare_exchange(RUNNING, WROTE, Ordering::Relaxed, Ordering::Relaxed);
        changed.is_ok() || self.state.load(Ordering::Relaxed) == WROTE
    }

    /// The script ended.
    pub(super) fn end(&self) {
        self.state.store(IDLE, Ordering::Relaxed);
    }

    /// Whether the script is to end.
    pub(super) fn is_killed(&self) -> bool {
        self.state.load(Ordering::Relaxed) == KILLED
    }

    /// Tells the script that runs to end.
    pub(crate) fn kill(&self) -> Kill {
        let killed =
            self.state.compare_exchange(RUNNING, KILLED, Ordering::Relaxed, Ordering::Relaxed);
        match killed {
            Ok(_) | Err(KILLED) => Kill::Killed,
            Err(WROTE) => Kill::Wrote,
            Err(_) => Kill::Idle,
        }
    }
}
