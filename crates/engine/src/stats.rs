//! [`Stats`]: what an engine holds and did.

use std::sync::atomic::Ordering;

use crate::database::{Database, LOGICAL, State};

/// What an engine holds and did; see [`Engine::stats`](crate::Engine::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys in all logical databases, in memory or not. While anything is `pending`
    /// they are those of the last checkpoint, more or less.
    pub keys: u64,
    /// Changes in the log that a crash left and that are not counted among the keys
    /// yet; see [`Engine::open`](crate::Engine::open).
    pub pending: usize,
    /// Bytes of keys and values in memory, roughly; what
    /// [`Options::memory_limit`](crate::Options::memory_limit) limits.
    pub memory: usize,
    /// Keys removed because their time had come, since the engine was opened.
    pub expired: u64,
    /// Clean keys dropped from memory, since the engine was opened.
    pub evicted: u64,
    /// Keys that reading commands found, since the engine was opened.
    pub hits: u64,
    /// Keys that reading commands asked for and that were not there.
    pub misses: u64,
    /// Keys by logical database, in memory or not.
    pub keys_by_db: [u64; LOGICAL],
    /// Scripts that are kept for `EVALSHA`.
    pub scripts: usize,
    /// Bytes of log after the last checkpoint.
    pub log_bytes: u64,
    /// How often the log was synced to disk, since the engine was opened.
    pub log_syncs: u64,
    /// Checkpoints that were committed, since the engine was opened.
    pub checkpoints: u64,
    /// When the last of them was, or when the engine was opened: Unix time in
    /// milliseconds. 0 for an engine in memory.
    pub last_checkpoint_ms: u64,
    /// How often a key or some parts of a value were read back from the store,
    /// since the engine was opened.
    pub store_reads: u64,
}

impl Stats {
    /// The counters, for who holds the lock.
    pub(crate) fn of(database: &Database, state: &State) -> Self {
        let pending = state.pending.as_ref().map_or(0, |pending| pending.len());
        let memory = state.memory();
        let mut stats = Self { memory, pending, ..Self::default() };
        for (db, keyspace) in state.keyspaces.iter().enumerate() {
            stats.keys += keyspace.len();
            stats.keys_by_db[db] = keyspace.len();
            stats.expired += keyspace.expired();
            let (hits, misses) = keyspace.reads();
            stats.hits += hits;
            stats.misses += misses;
            stats.evicted += keyspace.evicted();
        }
        if let Some(scripts) = &state.scripts {
            stats.scripts = scripts.len();
        }
        if let Some(files) = &database.files {
            stats.log_bytes = files.log.bytes_since_trim();
            stats.log_syncs = files.log.syncs();
            stats.checkpoints = state.checkpoints;
            stats.last_checkpoint_ms = files.saved_at_ms.load(Ordering::Relaxed);
            stats.store_reads = files.records.reads();
        }
        stats
    }
}
