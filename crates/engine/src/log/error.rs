//! What can go wrong with the log, and what its owner can do about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::Position;

/// Why the log did not open, or why a write is not (yet) durable.
///
/// Paths appear in these messages, the contents of the log never do.
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// No space to extend the log. Not fatal: what was accepted stays in memory
    /// in order and is retried; writes are refused until there is space again.
    #[error(
        "no space left for the log at {}: writes are refused and resume by themselves once there is \
         space; free some or enlarge the volume",
        path.display()
    )]
    Full {
        /// The file that could not be extended.
        path: PathBuf,
    },

    /// No file can be opened for the log, because too many are open. Not fatal: as
    /// [`LogError::Full`].
    #[error(
        "no file can be opened for the log at {} since too many are open: writes are refused and \
         resume by themselves once one can be; raise `ulimit -n` or close some",
        path.display()
    )]
    NoFiles {
        /// The file that could not be opened.
        path: PathBuf,
    },

    /// A write or a sync failed, so what is on the disk is unknown. It is never
    /// retried: the kernel may have dropped the data and report success later.
    #[error(
        "the log at {} is out of service since it failed to {doing} ({cause}): everything \
         acknowledged is safe, what waited may be lost; check the disk, then restart the process",
        path.display()
    )]
    Poisoned {
        /// The file it happened to.
        path: PathBuf,
        /// What was tried, as a verb: "sync a batch".
        doing: &'static str,
        /// The operating system's answer.
        cause: Arc<io::Error>,
    },

    /// The log was closed before the frame was durable.
    #[error("the log is closed: open the database again")]
    Closed,

    /// Bytes that had been synced have changed. The log refuses to open, since
    /// going on would silently lose acknowledged writes.
    #[error(
        "the log is damaged: {} at byte {offset} {found}, though it was complete once; restore the \
         directory from a backup, or, to go on without the writes from position {position} on, move \
         every later .log file away and truncate this one to {offset} bytes",
        file.display()
    )]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Byte offset of the first unusable batch in it.
        offset: u64,
        /// The first position that cannot be read.
        position: Position,
        /// What is wrong there.
        found: &'static str,
    },

    /// The header of a segment is unusable, so nothing in that file can be read.
    #[error(
        "the log is damaged: {} {found}; restore the directory from a backup, or, to go on without \
         the writes this file and the later ones hold, move it and every later .log file away",
        file.display()
    )]
    Segment {
        /// The damaged or foreign file.
        file: PathBuf,
        /// What is wrong with it.
        found: &'static str,
    },

    /// A segment that must exist does not.
    #[error(
        "the log in {} has a gap: positions from {position} on are in no file before {}; put the \
         missing .log file back or restore the directory from a backup",
        directory.display(),
        before.display()
    )]
    Missing {
        /// The log's directory.
        directory: PathBuf,
        /// The first missing position.
        position: Position,
        /// The first file after the gap.
        before: PathBuf,
    },

    /// The operating system refused something while the log was opened or
    /// trimmed. Nothing is lost; it may be tried again.
    #[error("could not {doing} at {} ({cause}): check the path, its permissions and the disk", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a verb.
        doing: &'static str,
        /// The operating system's answer.
        cause: Arc<io::Error>,
    },
}

impl LogError {
    /// Whether writes resume by themselves.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::NoFiles { .. })
    }
}

/// An operation of the disk that failed; its caller decides what that means.
#[derive(Debug)]
pub(crate) struct DiskFailure {
    doing: &'static str,
    path: PathBuf,
    cause: io::Error,
    /// Trying again would not mend it, whatever the cause.
    lasting: bool,
}

impl DiskFailure {
    /// To be used with `map_err`: names the operation and the file.
    pub(crate) fn new(doing: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self { doing, path, cause, lasting: false }
    }

    /// Harmless when it was met before anything of a batch was written.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self.cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Says that what was begun is half done: nothing but an opening makes up for it.
    pub(crate) fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// Harmless too: the process or the system has no file descriptor left.
    fn is_no_files(&self) -> bool {
        let codes = [Errno::MFILE, Errno::NFILE];
        Errno::from_io_error(&self.cause).is_some_and(|code| codes.contains(&code))
    }

    /// The failure of a running log, forever.
    pub(crate) fn poison(self) -> LogError {
        LogError::Poisoned { path: self.path, doing: self.doing, cause: Arc::new(self.cause) }
    }

    /// The failure of a step that was taken before a batch: `Full`, `NoFiles` or
    /// fatal.
    pub(crate) fn passing_or_poison(self) -> LogError {
        if self.lasting {
            self.poison()
        } else if self.is_no_space() {
            LogError::Full { path: self.path }
        } else if self.is_no_files() {
            LogError::NoFiles { path: self.path }
        } else {
            self.poison()
        }
    }
}

/// While opening or trimming nothing is poisoned: the caller may try again.
impl From<DiskFailure> for LogError {
    fn from(failure: DiskFailure) -> Self {
        if failure.is_no_space() {
            return Self::Full { path: failure.path };
        }
        Self::Io { path: failure.path, doing: failure.doing, cause: Arc::new(failure.cause) }
    }
}
