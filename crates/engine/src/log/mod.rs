//! The log: one append-only file, in segments, for all databases of an engine.
//!
//! A frame is a byte string the log does not look into; frames are numbered 1, 2,
//! 3 ... by [`Position`]. [`Log::append`] copies a frame into a buffer in memory.
//! A thread takes the whole buffer, writes it as one batch and syncs it, while
//! appending goes on into a second buffer: however many wait, one sync serves
//! all of them. [`Log::durable`] resolves after the sync that covers its frame.
//!
//! Opening gives a [`Recovery`], which reads the log once from a given position
//! on, and only when it was read to its end gives the [`Log`]: nothing can be
//! appended before everything was replayed.
//!
//! | module | holds |
//! |---|---|
//! | `queue` | the pending buffer |
//! | `length` | how much a crash would have replayed |
//! | `writer` | the thread: batches, syncs, new segments, a full disk |
//! | `waiters` | who waits for what |
//! | `batch`, `segment` | the format |
//! | `recovery`, `window` | reading at open; torn or damaged |
//! | `check`, `inspect` | reading without changing anything |
//! | `opening` | from reading to appending |
//! | `shelf` | which segments are live or spare, what is trimmed |
//! | `disk` | the operations of a disk |
//!
//! # Limits
//! The pending buffer is full at `pending_limit`, and the log is too long at
//! `length_limit` behind the last trim. The engine asks [`Log::has_room`] before it
//! executes a write and waits for [`Log::room`]; so the limits are exceeded by at
//! most one frame for every command that was executing. A second pending buffer of
//! that size is being written meanwhile.

mod batch;
mod check;
mod disk;
mod error;
mod inspect;
mod length;
mod opening;
mod queue;
mod recovery;
mod segment;
mod shelf;
#[cfg(test)]
mod tests;
mod waiters;
mod window;
mod writer;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::disk::{Directory, Disk};
use self::error::DiskFailure;
use self::queue::Queue;
use self::segment::{log_name, spare_name};
use self::shelf::Shelf;
use self::waiters::Progress;

use crate::options::Durability;

pub(crate) use self::check::check;
pub use self::error::LogError;
pub use self::inspect::{Inspection, inspect};
pub use self::recovery::Cut;
pub(crate) use self::recovery::{Frame, Recovery};
pub(crate) use self::waiters::{Durable, Room, State, block_on, block_on_until};

/// The longest time that a frame waits for others. See [`Log::hold`].
const HOLD_MAX: Duration = Duration::from_millis(1);

/// The longest time that frames wait amid what is of no use in parts.
const CORK_MAX: Duration = Duration::from_millis(100);

/// The number of a frame: 1, 2, 3 ...; 0 lies before the first one.
pub(crate) type Position = u64;

/// How a log behaves.
#[derive(Clone, Debug)]
pub(crate) struct LogOptions {
    pub(crate) durability: Durability,
    /// Bytes at which a segment is full. A longer batch gets a segment alone.
    pub(crate) segment_bytes: u64,
    /// Bytes of frames waiting to be written at which writes have to wait.
    pub(crate) pending_limit: usize,
    /// Bytes of frames behind the last trim at which writes have to wait.
    pub(crate) length_limit: u64,
    /// How many trimmed segments are kept to be written over.
    pub(crate) spare_segments: usize,
    /// Longest time a written frame stays unsynced under `EverySec`.
    pub(crate) sync_interval: Duration,
    /// How often a full disk is tried again.
    pub(crate) full_retry: Duration,
    /// Marks the batches of a log that is created; an existing one keeps its
    /// own. Must be random and unknown to clients: see the format of a batch.
    pub(crate) identity: u64,
}

impl LogOptions {
    /// Segments of 16 MiB, 4 spares, 64 MiB pending, of any length.
    pub(crate) fn new(durability: Durability, identity: u64) -> Self {
        Self {
            durability,
            segment_bytes: 16 << 20,
            pending_limit: 64 << 20,
            length_limit: u64::MAX,
            spare_segments: 4,
            sync_interval: Duration::from_secs(1),
            full_retry: Duration::from_millis(250),
            identity,
        }
    }
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// The last position; the next frame gets the one after.
    pub(crate) last: Position,
    /// Frames that were handed out, and their bytes.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// A torn tail, when there was one. Under `Always` nothing of it had been
    /// acknowledged.
    pub(crate) cut: Option<Cut>,
}

/// What the handle and the writer share.
pub(crate) struct Shared {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    identity: u64,
    queue: Queue,
    progress: Arc<Progress>,
    shelf: Mutex<Shelf>,
}

/// A log that takes frames.
pub(crate) struct Log {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<(), LogError>>>>,
    closed: OnceLock<Result<(), LogError>>,
}

impl Log {
    /// Opens the log in `directory`, or creates it. The frames up to `after`,
    /// which a checkpoint holds, are skipped.
    ///
    /// Blocks for I/O. Does not keep another process out: that is the engine's
    /// part, as the directory is the engine's.
    ///
    /// # Errors
    /// When the directory cannot be read, or lacks positions after `after`.
    pub(crate) fn open(
        directory: &Path,
        after: Position,
        options: LogOptions,
    ) -> Result<Recovery, LogError> {
        let disk = Directory::open(directory)?;
        Recovery::on(Arc::new(disk), after, options)
    }

    /// Takes a frame; the log will write it after all earlier ones.
    ///
    /// Copies the frame under a mutex that is held for nothing else, so it may be
    /// called under a database's lock. It does not fail or wait: the state and
    /// the room are asked before a command is executed. On a poisoned or closed
    /// log the frame is dropped and waiting for its position says so.
    pub(crate) fn append(&self, frame: &[u8]) -> Position {
        self.shared.queue.append(frame, &self.shared.progress)
    }

    /// Says that more frames are about to come, so that one sync can serve them all:
    /// the writer waits for them, for as long as a sync takes, [`HOLD_MAX`] at the
    /// most, or until [`Log::go`].
    pub(crate) fn hold(&self) {
        if self.shared.options.durability == Durability::Always {
            let worth = self.shared.progress.sync_takes().min(HOLD_MAX);
            self.shared.queue.hold(Instant::now() + worth);
        }
    }

    /// Says that all are there that [`Log::hold`] was about.
    pub(crate) fn go(&self) {
        self.shared.queue.go();
    }

    /// Says that the frames to come are of no use in parts: the writer waits for
    /// [`Log::uncork`], [`CORK_MAX`] at the most.
    pub(crate) fn cork(&self) {
        if self.shared.options.durability == Durability::Always {
            self.shared.queue.cork(Instant::now() + CORK_MAX);
        }
    }

    /// Ends what [`Log::cork`] began.
    pub(crate) fn uncork(&self) {
        self.shared.queue.uncork();
    }

    /// The last position given out.
    #[cfg(test)]
    pub(crate) fn last(&self) -> Position {
        self.shared.queue.last()
    }

    /// The last position that is certainly on the disk.
    pub(crate) fn synced(&self) -> Position {
        self.shared.progress.synced()
    }

    /// Whether [`Log::durable`] would resolve at once; costs a load.
    pub(crate) fn is_durable(&self, position: Position) -> bool {
        self.shared.progress.is_durable(position)
    }

    /// How often the log was synced since it was opened.
    pub(crate) fn syncs(&self) -> u64 {
        self.shared.progress.syncs()
    }

    /// Resolves when `position`, which was given out, may be acknowledged: under
    /// `Always` when it is synced, under `EverySec` at once.
    ///
    /// Needs no particular runtime. Dropping it costs nothing and cancels
    /// nothing but the waiting.
    ///
    /// # Errors
    /// [`LogError::Full`]: not durable yet, though it will be once there is space.
    /// [`LogError::Poisoned`], [`LogError::Closed`]: not known to be durable.
    pub(crate) fn durable(&self, position: Position) -> Durable {
        Durable::new(Arc::clone(&self.shared.progress), position)
    }

    /// [`Log::durable`], blocking this thread.
    pub(crate) fn wait(&self, position: Position) -> Result<(), LogError> {
        block_on(self.durable(position))
    }

    /// Whether writes are to be executed; costs a load.
    pub(crate) fn state(&self) -> State {
        self.shared.progress.state()
    }

    /// Why writes are not to be executed; `None` while they are.
    pub(crate) fn failure(&self) -> Option<LogError> {
        self.shared.progress.failure()
    }

    /// Whether a write need not wait; costs a load.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.progress.has_room()
    }

    /// Whether the pending buffer reached its limit; costs a load.
    pub(crate) fn pending_full(&self) -> bool {
        self.shared.progress.pending_full()
    }

    /// Resolves when there is room for a write.
    ///
    /// # Errors
    /// When writes are refused: the disk is full, the log poisoned or closed.
    pub(crate) fn room(&self) -> Room {
        Room::new(Arc::clone(&self.shared.progress))
    }

    /// Sets whether the log may be as long as it gets: while nothing can be done
    /// about it, nobody is to wait for it.
    pub(crate) fn let_grow(&self, grows: bool) {
        self.shared.queue.let_grow(grows, &self.shared.progress);
    }

    /// The last position given out, which a checkpoint is going to hold: what comes
    /// behind it is counted.
    pub(crate) fn mark(&self) -> Position {
        self.shared.queue.mark(&self.shared.progress)
    }

    /// Gives up the frames up to `position`, which a checkpoint holds.
    ///
    /// Whole segments become spares or are removed; blocks for that I/O, and
    /// never delays the writer.
    ///
    /// # Errors
    /// When a file cannot be renamed or removed. The log is not affected; the
    /// next opening tidies up.
    pub(crate) fn trim(&self, position: Position) -> Result<(), LogError> {
        self.shared.trim(position)
    }

    /// Bytes of frames behind the last trim, those that wait to be written
    /// included: how much the next opening would replay. Costs a load.
    pub(crate) fn bytes_since_trim(&self) -> u64 {
        self.shared.progress.since_trim()
    }

    /// Bytes of frames behind the last [`Log::mark`]. Costs a load.
    pub(crate) fn bytes_since_mark(&self) -> u64 {
        self.shared.progress.since_mark()
    }

    /// Writes and syncs everything, marks the log as closed and ends its thread.
    /// Blocks. Every call returns what the first one did.
    ///
    /// # Errors
    /// When not everything that was appended is durable: the log was poisoned,
    /// or the disk is full.
    pub(crate) fn close(&self) -> Result<(), LogError> {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            self.shared.queue.close();
            // A panic of the writer is a bug; what waited was told on its way out.
            let result = thread.join().unwrap_or(Err(LogError::Closed));
            _ = self.closed.set(result);
        }
        self.closed.wait().clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Whoever wants to know calls `close`.
        _ = self.close();
    }
}

impl Shared {
    /// See [`Log::trim`].
    fn trim(&self, position: Position) -> Result<(), LogError> {
        // Whatever becomes of the files.
        self.queue.trim(position, &self.progress);
        let retired = self.shelf.lock().retire(position);
        for segment in &retired {
            let name = log_name(segment.number);
            let path = self.disk.path(&name);
            if segment.keep {
                let spare = spare_name(segment.number);
                let renamed = self.disk.rename(&name, &spare);
                renamed.map_err(DiskFailure::new("keep a segment as a spare", path))?;
            } else {
                let removed = self.disk.remove(&name);
                removed.map_err(DiskFailure::new("remove a segment", path))?;
            }
        }
        // The directory is not synced. A name that a power cut brings back is one
        // of a segment that the checkpoint holds: the next opening tidies it up.
        // Before anything is written to a spare under its new name it is synced.
        let mut shelf = self.shelf.lock();
        let kept = retired.iter().filter(|segment| segment.keep);
        kept.for_each(|segment| shelf.add_spare(segment.number));
        drop(shelf);
        Ok(())
    }
}
