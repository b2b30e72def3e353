//! Writing: one transaction for each checkpoint.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use heed::{MdbError, RwTxn};

use super::error::is_no_space;
use super::meta::DatabaseMeta;
use super::record::{Place, expiry};
use super::{Store, StoreError};

/// Bytes of changed pages that a checkpoint keeps in memory, and that LMDB keeps for the next one: 2 to the 13th pages of 4 KiB,
/// which is what its feature `mdb_idl_logn_12` means.
pub(crate) const CHECKPOINT_MEMORY: usize = 32 << 20;
/// The longest value LMDB can describe.
const RECORD_BYTES_MAX: usize = u32::MAX as usize;
/// What [`write_probe`] writes: more than a file system keeps back for a file's tail.
const PROBE_BYTES: usize = 64 << 10;

/// A checkpoint being written. Dropped without [`commit`](Checkpoint::commit), it never was.
///
/// Stays on the thread that began it: LMDB's write lock belongs to a thread.
pub(crate) struct Checkpoint<'store> {
    pub(super) store: &'store Store,
    pub(super) txn: RwTxn<'store>,
    /// Makes it `!Send`.
    thread: PhantomData<*const ()>,
}

impl Store {
    /// Begins a checkpoint. Waits until another one has ended; a second one on the same thread would wait for ever.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] after a commit that failed other than by a full disk.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint<'_>, StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned { path: self.file.clone() });
        }
        let txn = self.env.write_txn().map_err(|error| self.fault(error))?;
        if !self.settled.load(Ordering::Acquire) {
            self.settle_roots()?;
            self.settled.store(true, Ordering::Release);
        }
        Ok(Checkpoint { store: self, txn, thread: PhantomData })
    }

    /// Makes sure that the disk has the roots that are read. Called once, by whoever may write.
    ///
    /// When the write of a root fails, LMDB puts the old one back where it is read, and nobody knows which of them the disk
    /// has. A process that is started then goes on from the old root, and writes over pages that only the new one needs: a
    /// loss of power would leave the new root with pages of others. Written again and synced, the root that is read is the one.
    fn settle_roots(&self) -> Result<(), StoreError> {
        let bytes = 2 * self.env.stat().page_size as usize;
        let failed =
            |error: io::Error| StoreError::Io { path: self.file.clone(), source: error.into() };
        // Nothing was written yet when it cannot be opened, as for want of file descriptors: the next one may do it.
        let file = OpenOptions::new().read(true).write(true).open(&self.file).map_err(failed)?;
        let mut roots = vec![0; bytes];
        let settled = file
            .read_exact_at(&mut roots, 0)
            .and_then(|()| file.write_all_at(&roots, 0))
            .and_then(|()| file.sync_data());
        settled.inspect_err(|_| self.poison()).map_err(failed)
    }

    /// Refuses checkpoints from now on.
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// Whether a root could not be written: LMDB then gives nothing out until the environment is opened again.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.env.read_txn(), Err(heed::Error::Mdb(MdbError::Panic)))
    }

    /// The meaning of a failure that may be that of a write.
    ///
    /// Where the last write that fits on a disk fits in part, LMDB says no more than "input/output error". So ask the disk.
    pub(super) fn write_fault(&self, error: heed::Error) -> StoreError {
        let fault = self.fault(error);
        if !matches!(fault, StoreError::Io { .. }) {
            return fault;
        }
        match write_probe(&self.dir) {
            Err(error) if is_no_space(&error) => {
                StoreError::Full { path: self.file.clone(), source: error.into() }
            }
            _ => fault,
        }
    }
}

impl Checkpoint<'_> {
    /// Inserts or replaces what is known of a database.
    pub(crate) fn set_meta(&mut self, meta: &DatabaseMeta) -> Result<(), StoreError> {
        let put =
            self.store.tables.meta.put(&mut self.txn, &meta.index.to_be_bytes(), &meta.to_bytes());
        put.map_err(|error| self.store.write_fault(error))
    }

    /// Makes the checkpoint durable, all of it at once: writes the pages, syncs, then writes and syncs the new root.
    ///
    /// # Errors
    /// In every case the store is as it was before. After [`StoreError::Full`] the checkpoint can be written again. After a
    /// failure of the disk, [`StoreError::Io`], what the disk holds is not known for certain: further checkpoints are
    /// refused until the store is opened again. Reads go on; where it was the write of the root that failed, once the store is
    /// opened again to be read.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        let Checkpoint { store, txn, .. } = self;
        txn.commit().map_err(|error| {
            // An earlier failure that the caller passed over: nothing was written.
            let unwritten = matches!(error, heed::Error::Mdb(MdbError::BadTxn));
            let fault = store.write_fault(error);
            if matches!(fault, StoreError::Io { .. }) && !unwritten {
                store.poison();
            }
            fault
        })
    }

    pub(super) fn check_length(
        &self,
        bytes: usize,
        place: impl FnOnce() -> String,
    ) -> Result<(), StoreError> {
        if bytes <= RECORD_BYTES_MAX {
            return Ok(());
        }
        let (path, place) = (self.store.file.clone(), place());
        Err(StoreError::TooLarge { path, place, bytes, limit: RECORD_BYTES_MAX })
    }

    pub(super) fn unindex(&mut self, place: Place, expire_at: u64) -> Result<(), StoreError> {
        let Some(entry) = expiry(place, expire_at) else { return Ok(()) };
        let deleted = self.store.tables.expiry.delete(&mut self.txn, &entry.to_bytes());
        match deleted.map_err(|error| self.store.write_fault(error))? {
            true => Ok(()),
            false => Err(self
                .store
                .corrupt(place.to_string(), "the expiry index does not agree with it")),
        }
    }
}

/// Whether the disk takes a few more bytes.
fn write_probe(dir: &Path) -> io::Result<()> {
    let path = dir.join("probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; PROBE_BYTES])?;
        file.sync_all()
    });
    fs::remove_file(&path).and(written)
}
