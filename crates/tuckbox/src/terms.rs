//! [`Terms`]: what holds for one call apart from its commands.

use std::time::{Duration, Instant};

/// How long one call may take and whether it may be sent twice.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "for remote stores"))]
pub(crate) struct Terms {
    started: Instant,
    pub(crate) deadline: Duration,
    /// Executing the commands twice is the same as once, though they write.
    pub(crate) idempotent: bool,
}

impl Terms {
    /// A call that starts now.
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { started: Instant::now(), deadline, idempotent: false }
    }

    pub(crate) fn idempotent(self, idempotent: bool) -> Self {
        Self { idempotent, ..self }
    }

    /// The same with a clock that stood still since `began`.
    #[cfg(feature = "redis")]
    pub(crate) fn without_since(self, began: Instant) -> Self {
        Self { started: self.started + began.elapsed(), ..self }
    }

    /// What is left of the deadline.
    #[cfg(feature = "redis")]
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.started.elapsed())
    }
}
