//! [`Files`]: the log and the store of an engine, as its databases use them.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use parking_lot::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};
use tuckbox_resp::ErrorReply;

use crate::{
    commands::{self, Cold, ColdKey, Walk},
    log::{self, Log},
    memory::{KeyHash, KeyspaceId, Kind, Value},
    store::{Store, StoreError},
};

/// Keys read from the store at once, at least, for a command that walks.
const WALK_AT_LEAST: usize = 16;

/// The log and the store of an engine.
pub(crate) struct Files {
    pub(crate) log: Log,
    pub(crate) records: Records,
    /// Held by whoever writes a checkpoint.
    pub(crate) saving: Mutex<()>,
}

/// The store, in terms of keyspaces and values.
pub(crate) struct Records {
    /// The data directory.
    dir: PathBuf,
    /// `None` once it was closed.
    store: RwLock<Option<Store>>,
}

impl Files {
    pub(crate) fn new(log: Log, records: Records) -> Self {
        Self { log, records, saving: Mutex::new(()) }
    }

    /// Refuses writes that could not be kept.
    ///
    /// # Errors
    /// What keeps the log from taking them.
    pub(crate) fn admit_writes(&self) -> Result<(), ErrorReply> {
        match self.log.state() {
            log::State::Open if !self.log.pending_full() => Ok(()),
            log::State::Open => Err(commands::LOG_BEHIND.into()),
            log::State::Full => Err(commands::DISK_FULL.into()),
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
        Ok(Self { dir: dir.to_owned(), store: RwLock::new(Some(store)) })
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
        let decoded = self.store()?.read(keyspace.0, hash.0, key, |record| {
            let value = Value::decode(record.kind, record.payload)?;
            Some(Stored { value, expire_at: record.expire_at })
        })?;
        match decoded {
            None => Ok(None),
            Some(Some(stored)) => Ok(Some(stored)),
            Some(None) => Err(self.unreadable(hash.place())),
        }
    }

    /// Reads which keys the store has at the places of a walk.
    pub(crate) fn walk(&self, keyspace: KeyspaceId, walk: &Walk) -> Result<Cold, StoreError> {
        let store = self.store()?;
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
