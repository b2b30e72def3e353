//! [`Files`]: the log and the store of an engine, as its databases use them.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};
use tuckbox_resp::ErrorReply;

use crate::{
    commands::{self, Cold, ColdKey, Walk},
    log::{self, Log, LogError},
    memory::{Gap, KeyHash, KeyspaceId, StoredPart, Value, ValueId},
    store::{Store, StoreError},
    types::{Collection, Kind},
};

/// Keys read from the store at once, at least, for a command that walks.
const WALK_AT_LEAST: usize = 16;

// The two have one meaning, and neither knows the other.
const _: () = assert!(crate::memory::IN_PARTS == crate::store::IN_PARTS);

/// Parts of a value read from the store at once, at the most.
const PARTS_AT_ONCE: usize = 1024;

/// How long reads under way are waited for when the store has to be opened again.
const READ_ON_PATIENCE: Duration = Duration::from_secs(1);

/// The log and the store of an engine.
pub(crate) struct Files {
    pub(crate) log: Log,
    pub(crate) records: Records,
    /// Held by whoever writes a checkpoint.
    pub(crate) saving: Mutex<()>,
    /// When the last checkpoint was committed, in Unix milliseconds.
    pub(crate) saved_at_ms: AtomicU64,
    /// Why the last checkpoint failed, if it did.
    failed: Mutex<Option<String>>,
}

/// The store, in terms of keyspaces and values.
pub(crate) struct Records {
    /// The data directory.
    dir: PathBuf,
    /// `None` once it was closed.
    store: RwLock<Option<Store>>,
    /// How often a key or parts of a value were read.
    reads: AtomicU64,
}

impl Files {
    pub(crate) fn new(log: Log, records: Records) -> Self {
        let saved_at_ms = AtomicU64::new(0);
        Self { log, records, saving: Mutex::new(()), saved_at_ms, failed: Mutex::new(None) }
    }

    /// Why the last checkpoint failed; `None` when it did not.
    pub(crate) fn checkpoint_failure(&self) -> Option<String> {
        self.failed.lock().clone()
    }

    /// Takes note of how a checkpoint ended.
    pub(crate) fn note_checkpoint<T, E: fmt::Display>(&self, result: &Result<T, E>) {
        let failure = result.as_ref().err().map(|error| format!("no checkpoint: {error}"));
        // Nobody is to wait for what cannot be done.
        self.log.let_grow(failure.is_some());
        *self.failed.lock() = failure;
    }

    /// Refuses writes that could not be kept.
    ///
    /// # Errors
    /// What keeps the log from taking them.
    pub(crate) fn admit_writes(&self) -> Result<(), ErrorReply> {
        if self.log.pending_full() && self.log.state() == log::State::Open {
            return Err(commands::LOG_BEHIND.into());
        }
        self.admit_more_writes()
    }

    /// As [`Files::admit_writes`], for what was admitted before and goes on.
    ///
    /// # Errors
    /// What keeps the log from taking them.
    pub(crate) fn admit_more_writes(&self) -> Result<(), ErrorReply> {
        match self.log.state() {
            log::State::Open => Ok(()),
            log::State::Full => match self.log.failure() {
                Some(LogError::NoFiles { .. }) => Err(commands::NO_FILES.into()),
                _ => Err(commands::DISK_FULL.into()),
            },
            log::State::Poisoned => Err(commands::LOG_FAILED.into()),
            log::State::Closed => Err(commands::CLOSED.into()),
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("records", &self.records).finish_non_exhaustive()
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A key's value as the store has it.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The value.
    pub(crate) value: Value,
    /// Unix time in milliseconds; 0 for never.
    pub(crate) expire_at: u64,
}

impl Records {
    /// Opens the store of the data directory `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = Store::open(&dir.join("store"))?;
        Ok(Self { dir: dir.to_owned(), store: RwLock::new(Some(store)), reads: AtomicU64::new(0) })
    }

    /// The data directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.dir
    }

    /// The store.
    ///
    /// # Errors
    /// [`StoreError::Closed`] after [`Records::close`].
    pub(crate) fn store(&self) -> Result<MappedRwLockReadGuard<'_, Store>, StoreError> {
        // A script reads under the database's lock, for which others wait that read
        // too: so who wants to close the store must not keep new readers waiting.
        let store = self.store.read_recursive();
        RwLockReadGuard::try_map(store, Option::as_ref).map_err(|_| StoreError::Closed)
    }

    /// Reads, once more if a commit has just failed so that nothing can be read.
    fn reading<T>(&self, read: impl Fn(&Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = read(&*self.store()?);
        if !matches!(result, Err(StoreError::Poisoned { .. })) {
            return result;
        }
        self.read_on();
        read(&*self.store()?)
    }

    /// Has reads go on after a commit that failed so that LMDB gives nothing out
    /// any more: the store is opened again, for reading alone.
    ///
    /// Waits for reads under way, but not for ever: a script calls this under the
    /// database's lock, for which one of them may wait.
    pub(crate) fn read_on(&self) {
        let Some(mut store) = self.store.try_write_for(READ_ON_PATIENCE) else { return };
        if store.take_if(|store| store.is_dead()).is_none() {
            return;
        }
        match Store::open(&self.dir.join("store")) {
            Ok(opened) => {
                opened.poison();
                *store = Some(opened);
            }
            Err(error) => tracing::error!(%error, "the store cannot be read any more"),
        }
    }

    /// How often a key or parts of a value were read.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Closes the store, after what is being read from it.
    pub(crate) fn close(&self) {
        *self.store.write() = None;
    }

    /// Reads a key from the store; `None` when it is not there.
    pub(crate) fn read(
        &self,
        keyspace: KeyspaceId,
        hash: KeyHash,
        key: &[u8],
    ) -> Result<Option<Stored>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let decoded = self.reading(|store| {
            store.read(keyspace.0, hash.0, key, |record| {
                let value = Value::decode(record.kind, record.payload)?;
                Some(Stored { value, expire_at: record.expire_at })
            })
        })?;
        match decoded {
            None => Ok(None),
            Some(Some(stored)) => Ok(Some(stored)),
            Some(None) => Err(self.unreadable(hash.place())),
        }
    }

    /// Reads parts of a value from the store, beginning with the one at the
    /// first place of a gap: a bounded number.
    pub(crate) fn read_parts(
        &self,
        keyspace: KeyspaceId,
        id: ValueId,
        gap: Gap,
    ) -> Result<Vec<StoredPart>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let places = (gap.from, gap.until);
        let read = self.reading(|store| {
            store.read_parts(keyspace.0, id.0, places, PARTS_AT_ONCE, |part| {
                Collection::decode(Kind::from_tag(part.kind)?, part.payload)
            })
        })?;
        let mut parts = Vec::with_capacity(read.parts.len() + 1);
        let mut place = Some(read.from);
        for (start, until, items) in read.parts {
            let items = items.ok_or_else(|| self.unreadable(start))?;
            if let Some(place) = place.filter(|&place| place < start) {
                parts.push(StoredPart { start: place, until: start - 1, items: None });
            }
            parts.push(StoredPart { start, until, items: Some(items) });
            place = until.checked_add(1);
        }
        if let Some(start) = place.filter(|&place| place <= read.until) {
            parts.push(StoredPart { start, until: read.until, items: None });
        }
        Ok(parts)
    }

    /// Reads which keys the store has at the places of a walk.
    pub(crate) fn walk(&self, keyspace: KeyspaceId, walk: &Walk) -> Result<Cold, StoreError> {
        self.reading(|store| self.walk_in(store, keyspace, walk))
    }

    fn walk_in(
        &self,
        store: &Store,
        keyspace: KeyspaceId,
        walk: &Walk,
    ) -> Result<Cold, StoreError> {
        let count = walk.count.max(WALK_AT_LEAST);
        let mut listed = store.scan(keyspace.0, walk.from, count)?;
        let mut until = u64::MAX;
        if let Some(last) = listed.last()
            && listed.len() >= count
        {
            until = last.hash;
        } else if walk.wraps {
            let wanted = count - listed.len();
            let behind = store.scan(keyspace.0, 0, wanted)?;
            let went_round =
                behind.len() < wanted || behind.iter().any(|key| key.hash >= walk.from);
            let behind = behind.into_iter().take_while(|key| key.hash < walk.from);
            let last = listed.len();
            listed.extend(behind);
            until = match listed.get(last..).and_then(<[_]>::last) {
                Some(last) if !went_round => last.hash,
                _ => walk.from.wrapping_sub(1),
            };
        }
        let mut keys = Vec::with_capacity(listed.len());
        for listed in listed {
            let kind = Kind::from_tag(listed.kind).ok_or_else(|| self.unreadable(listed.hash))?;
            keys.push(ColdKey {
                place: listed.hash,
                key: listed.key,
                kind,
                expire_at: listed.expire_at,
            });
        }
        Ok(Cold { keyspace, from: walk.from, keys, until })
    }

    /// A record whose checksum is right and whose value still makes no sense.
    fn unreadable(&self, place: u64) -> StoreError {
        StoreError::Corrupt {
            path: self.dir.clone(),
            place: format!("the key at {place:016x}"),
            problem: "its value is of a type that this version does not know",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;

    #[test]
    fn reading_goes_on_while_somebody_waits_to_close_the_store() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("store")).unwrap();
        let records = &Records::open(dir.path()).unwrap();
        let held = records.store().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| records.close());
            while records.store.try_read().is_some() {
                thread::yield_now();
            }
            let (done, read) = mpsc::channel();
            scope.spawn(move || done.send(records.store().is_ok()));
            let read = read.recv_timeout(Duration::from_secs(20));
            drop(held);
            assert_eq!(read, Ok(true));
        });
        assert!(records.store().is_err());
    }
}
