//! How an engine is to run.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on disk: it survives the end of the process and of the
    /// machine's power. One sync serves all who wait.
    #[default]
    Always,
    /// At once; it is written within milliseconds and synced within a second.
    /// The end of the process can take the last milliseconds, a power cut the
    /// last second.
    EverySec,
}

/// How an engine is to run. `Options::default()` is right for most.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a write is acknowledged. Default: [`Durability::Always`].
    pub durability: Durability,
    /// Bytes of memory for keys, values and their checkpoints, roughly. Above it,
    /// what the store has in the same state is dropped from memory and read back
    /// when needed, and writers that are faster than the disk wait; an engine
    /// without a directory refuses writes instead. Default: 256 MiB.
    pub memory_limit: usize,
    /// Bytes of one file of the log, at least 64 KiB. Smaller files are written
    /// over sooner; a larger one is made for a command that needs it. Default:
    /// 16 MiB.
    pub log_segment_bytes: u64,
    /// Bytes of log after which a checkpoint is begun. Writers wait when the log
    /// after the last checkpoint has twice as many, 1 MiB at the least, until the
    /// checkpoint under way is done: so a restart after a crash replays no more,
    /// some milliseconds for each MiB. Only while checkpoints fail, which
    /// [`Engine::health`](crate::Engine::health) tells, is the log as long as it
    /// gets. More makes writing cheaper. Default: 6 MiB.
    pub checkpoint_log_bytes: u64,
    /// Milliseconds after which changes are checkpointed, however few they
    /// are. Default: 5,000.
    pub checkpoint_interval_ms: u64,
    /// Milliseconds that a script may run. One that takes longer ends with an
    /// error; what it wrote stays. Default: 5,000.
    pub script_time_ms: u64,
    /// Bytes that scripts may take while they run, those of compiled scripts
    /// included. One that needs more ends with an error; what it wrote stays.
    /// Default: 64 MiB.
    pub script_memory: usize,
    /// Bytes of one part of a value that is too large to be kept as one; see
    /// the architecture. For tests: another number only makes a database slower.
    #[doc(hidden)]
    pub part_bytes: usize,
    /// Where the time is read. Default: the system's clock.
    pub clock: Arc<dyn Clock>,
    /// A seed for everything random, for tests that want to see the same
    /// again. Default: none; the operating system's randomness is used.
    pub random_seed: Option<u64>,
}

/// A log is not too long for less: the shortest time between two checkpoints.
const LOG_BYTES_MIN: u64 = 1 << 20;

impl Options {
    /// Bytes of log after the last checkpoint at which writers wait.
    pub(crate) fn log_bytes_max(&self) -> u64 {
        self.checkpoint_log_bytes.saturating_mul(2).max(LOG_BYTES_MIN)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Always,
            memory_limit: 256 << 20,
            log_segment_bytes: 16 << 20,
            checkpoint_log_bytes: 6 << 20,
            checkpoint_interval_ms: 5_000,
            script_time_ms: 5_000,
            script_memory: 64 << 20,
            part_bytes: crate::memory::PART_BYTES,
            clock: Arc::new(SystemClock::default()),
            random_seed: None,
        }
    }
}
