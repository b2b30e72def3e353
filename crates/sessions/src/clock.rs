//! [`Clock`]: the one place where this crate reads the time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

/// What time it is: the system's clock, or one that a test moves.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tuckbox_sessions::Clock;
///
/// let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
/// clock.advance(Duration::from_secs(3600));
/// ```
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// The system's clock; the default.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that shows `time` until it is moved. Clones show the same time.
    /// A time before 1970 counts as 1970.
    #[must_use]
    pub fn fixed(time: SystemTime) -> Self {
        Self(Some(Arc::new(AtomicU64::new(millis(time)))))
    }

    /// Moves a clock made by [`Clock::fixed`] forward, its clones too. The
    /// system's clock takes no notice.
    pub fn advance(&self, by: Duration) {
        if let Some(time) = &self.0 {
            time.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// Sets a clock made by [`Clock::fixed`] to `to`, its clones too, as a
    /// correction of the system's clock does. The system's clock takes no
    /// notice.
    pub fn set(&self, to: SystemTime) {
        if let Some(time) = &self.0 {
            time.store(millis(to), Relaxed);
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        match &self.0 {
            Some(time) => time.load(Relaxed),
            #[expect(clippy::disallowed_methods, reason = "this is the clock that others read")]
            None => millis(SystemTime::now()),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(fixed)" } else { "Clock(system)" })
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
