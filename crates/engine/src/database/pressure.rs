//! [`Pressure`]: writers wait for the disk when memory is full of what it does
//! not have yet.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::Database;

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
    waiting: Mutex<Waiting>,
}

/// Those who are held back: when each may go on, and what wakes it.
#[derive(Debug, Default)]
struct Waiting {
    by_number: BTreeMap<u64, (Instant, Waker)>,
    registered: u64,
}

impl Pressure {
    /// Whether commands have to wait: a load.
    pub(super) fn is_felt(&self) -> bool {
        self.wait_ms.load(Ordering::Relaxed) > 0
    }

    /// Takes note of the bytes in memory and their limit. Returns whether those who
    /// wait are to be woken.
    pub(super) fn note(&self, memory: usize, limit: usize) -> bool {
        let over = memory.saturating_sub(limit) as u64;
        let tenth = (limit as u64 / 10).max(TENTH_MIN);
        let wait_ms = (over.saturating_mul(LONGEST_MS) / tenth).min(LONGEST_MS);
        let before = self.wait_ms.swap(wait_ms, Ordering::Relaxed);
        before > 0 && wait_ms == 0
    }

    /// Wakes those who need not wait any more. Runs code of theirs, so no lock is to
    /// be held.
    pub(super) fn wake(&self) {
        let now = Instant::now();
        // Whoever looked at the pressure before has registered by the time this lock
        // is had, and who comes later sees what it is now.
        let mut waiting = self.waiting.lock();
        let eased = !self.is_felt();
        let woken = waiting.by_number.extract_if(.., |_, (due, _)| eased || *due <= now);
        let woken: Vec<_> = woken.collect();
        drop(waiting);
        woken.into_iter().for_each(|(_, (_, waker))| waker.wake());
    }
}

/// The time for which one command is held back.
pub(crate) struct Eased {
    database: Arc<Database>,
    due: Instant,
    registered: Option<u64>,
}

impl Eased {
    /// `None`: it need not be.
    pub(crate) fn new(database: &Arc<Database>) -> Option<Self> {
        let wait_ms = database.pressure.wait_ms.load(Ordering::Relaxed);
        (wait_ms > 0).then(|| Self {
            database: Arc::clone(database),
            due: Instant::now() + Duration::from_millis(wait_ms),
            registered: None,
        })
    }

    /// When it is over at the latest.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Whether it is over. Whoever asks is woken when the pressure has eased, or some
    /// time after the end.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let pressure = &self.database.pressure;
        if Instant::now() >= self.due {
            return Poll::Ready(());
        }
        let mut waiting = pressure.waiting.lock();
        if !pressure.is_felt() {
            return Poll::Ready(());
        }
        let number = self.registered.unwrap_or(waiting.registered + 1);
        waiting.registered = waiting.registered.max(number);
        self.registered = Some(number);
        let old = waiting.by_number.insert(number, (self.due, context.waker().clone()));
        // A waker may run code of its task when it is dropped: not under the lock.
        drop(waiting);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Eased {
    fn drop(&mut self) {
        if let Some(number) = self.registered {
            let waker = self.database.pressure.waiting.lock().by_number.remove(&number);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1_000_000_000;

    #[test]
    fn the_wait_grows_with_what_is_over_the_limit() {
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

    #[test]
    fn who_waits_is_to_be_woken_when_the_pressure_is_gone() {
        let pressure = Pressure::default();
        assert!(!pressure.note(LIMIT, LIMIT));
        assert!(!pressure.note(LIMIT * 2, LIMIT));
        assert!(!pressure.note(LIMIT + LIMIT / 20, LIMIT));
        assert!(pressure.note(LIMIT, LIMIT));
        assert!(!pressure.note(LIMIT, LIMIT));
    }
}
