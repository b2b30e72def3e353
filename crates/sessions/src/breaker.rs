//! [`Breaker`]: stops asking a store that does not answer.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// So many failures one after the other open the circuit.
pub(crate) const FAILURES: u32 = 5;

/// So long, in milliseconds, an open circuit refuses before it tries one call.
pub(crate) const PAUSE_MS: u64 = 1000;

/// A circuit breaker: after [`FAILURES`] calls in a row that the store did not
/// answer, calls are refused at once for [`PAUSE_MS`]; then one is let through,
/// and its outcome decides. So requests do not each wait for a deadline, and a
/// store that comes back is not met by a crowd.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: AtomicU32,
    /// When the last call was let through to a failing store.
    tried: AtomicU64,
}

impl Breaker {
    /// Whether a call may be made at `now`, in milliseconds since 1970.
    pub(crate) fn admits(&self, now: u64) -> bool {
        if self.failures.load(Acquire) < FAILURES {
            return true;
        }
        let tried = self.tried.load(Relaxed);
        // The difference either way: a clock put back must not keep it open.
        now.abs_diff(tried) >= PAUSE_MS
            && self.tried.compare_exchange(tried, now, AcqRel, Relaxed).is_ok()
    }

    /// The store answered.
    pub(crate) fn succeeded(&self) {
        // Written only when it changes: all requests share the cache line.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// The store did not answer a call that ended at `now`.
    pub(crate) fn failed(&self, now: u64) {
        self.tried.store(now, Relaxed);
        self.failures.fetch_add(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_at(now: u64) -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(breaker.admits(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let breaker = Breaker::default();
        for _ in 0..3 * FAILURES {
            breaker.failed(0);
            breaker.succeeded();
        }
        assert!(breaker.admits(0));
        assert!(!open_at(0).admits(PAUSE_MS - 1));
    }

    #[test]
    fn after_the_pause_one_call_is_let_through_and_decides() {
        let breaker = open_at(0);
        assert!(breaker.admits(PAUSE_MS));
        assert!(!breaker.admits(PAUSE_MS), "a second at the same time");
        breaker.failed(PAUSE_MS + 5);
        assert!(!breaker.admits(2 * PAUSE_MS));
        assert!(breaker.admits(2 * PAUSE_MS + 5));
        breaker.succeeded();
        assert!(breaker.admits(2 * PAUSE_MS + 6) && breaker.admits(2 * PAUSE_MS + 6));
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_keep_it_open() {
        assert!(open_at(1_000_000).admits(0));
    }
}
