//! The store makes it big: checkpoints of all databases of an engine in one LMDB environment.
//!
//! The log has made every change durable before it comes here, so the store is written in the background, in large
//! transactions, and what counts is that it opens at once at any size and answers a read for a key that is not in memory.
//! Both are what a memory-mapped B+tree is good at; `bench/stores` holds the measurement behind the choice.
//!
//! # What the store promises
//! - A checkpoint is atomic and durable: after a crash at any moment its records and its [`DatabaseMeta`] are all there, or none.
//! - A record comes back as it was written, or as [`StoreError::Corrupt`]: each has a checksum over its place, its
//!   header and its payload. The tree around the records has none: of damage there LMDB notices a lost page, but a changed
//!   bit in the key of a record can hide that record. [`Store::check`] finds it by the number of keys.
//! - Reads see the last commit and wait for nothing, not even for a checkpoint under way.
//! - A full disk fails the checkpoint and nothing else.
//!
//! # What it costs
//! - The file never shrinks: freed pages are used again. A read that lasts keeps the pages it may see from being used again.
//! - A checkpoint changes about one page of 4 KiB for each random key, and none for what is there byte for byte. It keeps 32 MiB of them in memory, then writes pages out
//!   that it will not come back to; and the whole of a large payload.
//! - One writer at a time. Calls block on the disk: make them outside every lock and off the threads of an async runtime.

mod check;
mod checkpoint;
mod error;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod garbage;
mod meta;
mod parts;
mod pass;
mod record;
mod tables;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use heed::{Env, RoTxn, WithoutTls};

pub(crate) use self::check::{CheckReport, Content, Contents, Problems};
pub(crate) use self::checkpoint::{CHECKPOINT_MEMORY, Checkpoint};
pub(crate) use self::error::StoreError;
pub(crate) use self::garbage::Garbage;
pub(crate) use self::meta::DatabaseMeta;
#[cfg(test)]
pub(crate) use self::parts::NewPart;
pub(crate) use self::parts::PartRef;
pub(crate) use self::pass::{PartChange, RecordChange};
use self::record::{Expiry, Place, StoredRecord};
use self::tables::{MAP_BYTES, Tables};

/// Set in the kind of a record that stands for a value in parts.
pub(crate) const IN_PARTS: u8 = 0x80;

/// The checkpoints of all databases of one engine.
///
/// Two files in a directory: the data, and a lock file for LMDB. LMDB stays consistent when two processes open them; that
/// two engines do not is for the engine to see to.
pub(crate) struct Store {
    env: Env<WithoutTls>,
    tables: Tables,
    dir: PathBuf,
    /// The data file, for errors.
    file: PathBuf,
    /// A commit failed and left unclear what the disk did.
    poisoned: AtomicBool,
    /// The roots are on the disk as they are read; see `checkpoint.rs`.
    settled: AtomicBool,
}

/// A record where it lies in the store.
#[derive(Clone, Copy)]
pub(crate) struct RecordRef<'a> {
    /// Unix time in milliseconds; 0: none.
    pub(crate) expire_at: u64,
    /// What the payload is. The store does not look into either.
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
}

/// A key of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The upper 64 bits of its hash.
    pub(crate) hash: u64,
    pub(crate) key: Vec<u8>,
    /// Unix time in milliseconds; 0: none.
    pub(crate) expire_at: u64,
    /// What the payload is.
    pub(crate) kind: u8,
    /// The payload of a record that stands for a value in parts, in listings of
    /// what expires.
    pub(crate) head: Option<Vec<u8>>,
}

impl Listed {
    fn of(place: Place, record: &StoredRecord<'_>) -> Listed {
        Listed {
            hash: place.hash_upper(),
            key: record.key.to_vec(),
            expire_at: record.expire_at,
            kind: record.kind,
            head: None,
        }
    }
}

impl Store {
    /// Opens the store in `dir`, or makes one. Takes well under a millisecond for any size, clean or after a crash: there is nothing to replay.
    ///
    /// Reserves 1 TiB of address space, which is also the largest size of the store. Where the system grants less, half
    /// is tried, and so on; a store that fills what it got reports [`StoreError::Full`].
    pub(crate) fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open_mapped(dir, MAP_BYTES)
    }

    fn open_mapped(dir: &Path, map_bytes: usize) -> Result<Store, StoreError> {
        let env = tables::open_env(dir, map_bytes)?;
        let tables = Tables::open(&env, dir)?;
        Ok(Store::new(env, tables, dir))
    }

    /// Opens the store in `dir` to be looked at: not a byte of its data is changed. None: it is new.
    ///
    /// Where pages are missing, looking at it ends the process.
    pub(crate) fn open_to_check(dir: &Path) -> Result<Option<Store>, StoreError> {
        if tables::is_unfinished(dir).map_err(|error| StoreError::opening(dir, error.into()))? {
            return Ok(None);
        }
        let env = tables::open_env_to_read(dir)?;
        let tables = Tables::existing(&env, dir)?;
        Ok(tables.map(|tables| Store::new(env, tables, dir)))
    }

    fn new(env: Env<WithoutTls>, tables: Tables, dir: &Path) -> Store {
        let file = tables::data_file(dir);
        Store {
            env,
            tables,
            dir: dir.to_path_buf(),
            file,
            poisoned: AtomicBool::new(false),
            settled: AtomicBool::new(false),
        }
    }

    /// Every database that was ever checkpointed, by index.
    pub(crate) fn meta(&self) -> Result<Vec<DatabaseMeta>, StoreError> {
        self.meta_in(&*self.read_txn()?)
    }

    fn meta_in(&self, txn: &RoTxn<'_>) -> Result<Vec<DatabaseMeta>, StoreError> {
        let mut databases = Vec::new();
        for entry in self.tables.meta.iter(txn).map_err(|error| self.fault(error))? {
            let (key, value) = entry.map_err(|error| self.fault(error))?;
            if key == tables::FORMAT_KEY {
                continue;
            }
            let index = key.try_into().map(u32::from_be_bytes);
            let meta = index.ok().and_then(|index| DatabaseMeta::from_bytes(index, value));
            databases.push(meta.ok_or_else(|| {
                self.corrupt("a database's entry".into(), "its checksum does not match")
            })?);
        }
        Ok(databases)
    }

    /// What `decode` makes of the record of `key` where it lies, without a copy.
    ///
    /// The record was verified. `decode` should be quick: while it runs, no page freed since can be used again.
    pub(crate) fn read<T>(
        &self,
        keyspace: u32,
        hash: u128,
        key: &[u8],
        decode: impl FnOnce(RecordRef<'_>) -> T,
    ) -> Result<Option<T>, StoreError> {
        let txn = self.read_txn()?;
        let place = Place { keyspace, hash };
        let Some(record) = self.find(&txn, place)? else { return Ok(None) };
        self.same_key(place, &record, key)?;
        let payload =
            record.payload().map_err(|problem| self.corrupt(place.to_string(), problem))?;
        Ok(Some(decode(RecordRef { expire_at: record.expire_at, kind: record.kind, payload })))
    }

    /// Keys in the order of the upper 64 bits of their hashes, beginning at `from`.
    ///
    /// Lists `limit` keys (at least 1), and goes on to the last key with the same upper bits as the one before, so that
    /// the next listing can begin at the last `hash` plus one. Fewer than `limit` means that there are no more.
    /// Reads no payloads.
    pub(crate) fn scan(
        &self,
        keyspace: u32,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let txn = self.read_txn()?;
        let first = Place { keyspace, hash: u128::from(from) << 64 }.to_bytes();
        let last = Place { keyspace, hash: u128::MAX }.to_bytes();
        let bounds = (Bound::Included(&first[..]), Bound::Included(&last[..]));
        let mut listed: Vec<Listed> = Vec::new();
        for entry in self.tables.records.range(&txn, &bounds).map_err(|error| self.fault(error))? {
            let (key, value) = entry.map_err(|error| self.fault(error))?;
            let place = self.place(key)?;
            if listed.len() >= limit.max(1)
                && listed.last().is_some_and(|last| last.hash != place.hash_upper())
            {
                break;
            }
            listed.push(Listed::of(place, &self.parse(place, value)?));
        }
        Ok(listed)
    }

    /// The keys that expire at `now` or before, at most `limit`, the soonest first. Of the payloads it reads those that stand for values in parts.
    pub(crate) fn expired(
        &self,
        keyspace: u32,
        now: u64,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let txn = self.read_txn()?;
        let first = Expiry { place: Place { keyspace, hash: 0 }, at: 0 }.to_bytes();
        let last = Expiry { place: Place { keyspace, hash: u128::MAX }, at: now }.to_bytes();
        let bounds = (Bound::Included(&first[..]), Bound::Included(&last[..]));
        let mut listed = Vec::new();
        for entry in
            self.tables.expiry.range(&txn, &bounds).map_err(|error| self.fault(error))?.take(limit)
        {
            let (key, _) = entry.map_err(|error| self.fault(error))?;
            let expiry = self.expiry(key)?;
            let record =
                self.find(&txn, expiry.place)?.filter(|record| record.expire_at == expiry.at);
            let record = record.ok_or_else(|| {
                self.corrupt(expiry.place.to_string(), "the expiry index does not agree with it")
            })?;
            let mut found = Listed::of(expiry.place, &record);
            if record.kind & IN_PARTS != 0 {
                let payload = record.payload();
                let payload =
                    payload.map_err(|problem| self.corrupt(expiry.place.to_string(), problem))?;
                found.head = Some(payload.to_vec());
            }
            listed.push(found);
        }
        Ok(listed)
    }

    /// Bytes of the data file. Freed pages count, and are used again.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the figures of INFO"))]
    pub(crate) fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.env.real_disk_size().map_err(|error| self.fault(error))
    }

    fn read_txn(&self) -> Result<RoTxn<'_, WithoutTls>, StoreError> {
        self.env.read_txn().map_err(|error| self.fault(error))
    }

    fn find<'txn>(
        &self,
        txn: &'txn RoTxn<'_>,
        place: Place,
    ) -> Result<Option<StoredRecord<'txn>>, StoreError> {
        let value =
            self.tables.records.get(txn, &place.to_bytes()).map_err(|error| self.fault(error))?;
        value.map(|value| self.parse(place, value)).transpose()
    }

    fn parse<'a>(&self, place: Place, value: &'a [u8]) -> Result<StoredRecord<'a>, StoreError> {
        StoredRecord::parse(place, value)
            .map_err(|problem| self.corrupt(place.to_string(), problem))
    }

    fn same_key(
        &self,
        place: Place,
        record: &StoredRecord<'_>,
        key: &[u8],
    ) -> Result<(), StoreError> {
        if record.key == key {
            return Ok(());
        }
        Err(StoreError::Collision { path: self.file.clone(), place: place.to_string() })
    }

    fn place(&self, key: &[u8]) -> Result<Place, StoreError> {
        Place::from_bytes(key).ok_or_else(|| {
            self.corrupt("the table of records".into(), "a key has the wrong length")
        })
    }

    fn expiry(&self, key: &[u8]) -> Result<Expiry, StoreError> {
        Expiry::from_bytes(key)
            .ok_or_else(|| self.corrupt("the expiry index".into(), "an entry has the wrong length"))
    }

    fn fault(&self, error: heed::Error) -> StoreError {
        StoreError::of(&self.file, error)
    }

    fn corrupt(&self, place: String, problem: &'static str) -> StoreError {
        StoreError::corrupt(&self.file, place, problem)
    }
}

#[cfg(test)]
mod tests;
