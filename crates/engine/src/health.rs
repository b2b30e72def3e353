//! [`Health`]: whether an engine can do what it promises.

use std::fmt;

use crate::{LogError, files::Files};

/// Whether an engine can do what it promises; see
/// [`Engine::health`](crate::Engine::health).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Health {
    /// Why writes are refused; `None` while they are taken. Reads go on in
    /// either case.
    pub writes: Option<LogError>,
    /// Why the last checkpoint failed; `None` when it did not. Nothing is lost
    /// then, since the log keeps what the store does not have. But the log
    /// grows, changed keys stay in memory, and the next opening takes longer.
    pub checkpoints: Option<String>,
}

impl Health {
    pub(crate) fn of(files: &Files) -> Self {
        Self { writes: files.log.failure(), checkpoints: files.checkpoint_failure() }
    }

    /// What is wrong, in a few words without paths, which anyone may read; `None`
    /// when all is well.
    #[must_use]
    pub fn brief(&self) -> Option<&'static str> {
        match (&self.writes, &self.checkpoints) {
            (None, None) => None,
            (Some(LogError::Full { .. }), _) => {
                Some("the disk is full: writes are refused until there is room")
            }
            (Some(LogError::NoFiles { .. }), _) => {
                Some("too many files are open: writes are refused until one more can be")
            }
            (Some(LogError::Closed), _) => Some("the database is closed"),
            (Some(_), _) => Some("the disk has failed: writes are refused; check it, then restart"),
            (None, Some(_)) => {
                Some("no checkpoint can be made: nothing is lost, but the log grows")
            }
        }
    }

    /// Whether all is well: what a probe should ask.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.writes.is_none() && self.checkpoints.is_none()
    }
}

/// `ok`, or what is wrong and what to do about it.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.writes, &self.checkpoints) {
            (None, None) => f.write_str("ok"),
            (Some(writes), None) => writes.fmt(f),
            (None, Some(checkpoints)) => f.write_str(checkpoints),
            (Some(writes), Some(checkpoints)) => write!(f, "{writes}; {checkpoints}"),
        }
    }
}
