//! What can go wrong with the store, and what its reader should do about it.

use std::io;
use std::path::{Path, PathBuf};

use heed::MdbError;

/// A failure of the store. No variant carries a key or a value: a record is named by its keyspace and the hash of its key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// The directory could not be made into an open store.
    #[error(
        "cannot open the store in {}: {source}; check that the directory exists, is on a local disk, may be written by this user, \
         and holds nothing but Tuckbox's files", path.display()
    )]
    Open { path: PathBuf, source: heed::Error },

    /// This process has the directory open already.
    #[error("the store in {} is open in this process already; close the other engine first", path.display())]
    AlreadyOpen { path: PathBuf },

    /// A later Tuckbox wrote this store.
    #[error(
        "the store in {} has format {found}, and this Tuckbox reads format {supported}; run the Tuckbox that wrote it, or a later one",
        path.display()
    )]
    VersionTooNew { path: PathBuf, found: u32, supported: u32 },

    /// An earlier Tuckbox wrote this store.
    #[error(
        "the store in {} has format {found}, and this Tuckbox reads format {supported}; open it with the Tuckbox that wrote it and \
         carry the keys over (DUMP and RESTORE), or begin with an empty directory",
        path.display()
    )]
    VersionTooOld { path: PathBuf, found: u32, supported: u32 },

    /// The disk gave back something other than what was written. Nothing of it was used.
    #[error(
        "{} is damaged at {place}: {problem}; stop the engine, copy the directory aside, check the disk, and restore a backup",
        path.display()
    )]
    Corrupt { path: PathBuf, place: String, problem: &'static str },

    /// Two keys have the same 128-bit hash. With a secret seed this does not happen by chance or by intent.
    #[error("{} holds another key at {place}: two keys share one hash; the seed of the key hash changed or is not secret", path.display())]
    Collision { path: PathBuf, place: String },

    /// A record is longer than the store can take.
    #[error("the record at {place} would have {bytes} bytes, and a record of the store in {} may have {limit}", path.display())]
    TooLarge { path: PathBuf, place: String, bytes: usize, limit: usize },

    /// No room on the disk, or in the address space given to the store. The store is as it was before the checkpoint.
    #[error(
        "no room for the store in {}: {source}; free space on the disk (or raise the address space limit, `ulimit -v`), the checkpoint can then be tried again",
        path.display()
    )]
    Full { path: PathBuf, source: heed::Error },

    /// More reads at one time than [`READS_MAX`](super::tables::READS_MAX).
    #[error("too many reads of the store in {} at one time; try again", path.display())]
    Busy { path: PathBuf },

    /// The operating system refused a read or write.
    #[error("the store in {} failed: {source}; check the disk and the system's log", path.display())]
    Io { path: PathBuf, source: heed::Error },

    /// The engine was closed.
    #[error("the database is closed")]
    Closed,

    /// An earlier commit failed in a way that leaves unclear what the disk did.
    #[error("the store in {} takes no checkpoints since a commit failed; check the disk, then open the engine again", path.display())]
    Poisoned { path: PathBuf },
}

impl StoreError {
    /// The meaning of a failure that LMDB reports for an open store.
    pub(super) fn of(path: &Path, source: heed::Error) -> StoreError {
        let path = path.to_path_buf();
        match &source {
            heed::Error::Io(error) if is_no_space(error) => StoreError::Full { path, source },
            heed::Error::Mdb(MdbError::MapFull) => StoreError::Full { path, source },
            heed::Error::Mdb(MdbError::ReadersFull) => StoreError::Busy { path },
            heed::Error::Mdb(MdbError::Panic) => StoreError::Poisoned { path },
            heed::Error::Mdb(
                MdbError::Corrupted
                | MdbError::PageNotFound
                | MdbError::CursorFull
                | MdbError::PageFull
                | MdbError::Problem
                | MdbError::Incompatible,
            ) => StoreError::corrupt(&path, "a tree page".into(), "it is not part of a tree"),
            _ => StoreError::Io { path, source },
        }
    }

    /// The meaning of a failure that LMDB reports while it opens `path`.
    pub(super) fn opening(path: &Path, source: heed::Error) -> StoreError {
        let path = path.to_path_buf();
        match source {
            heed::Error::EnvAlreadyOpened => StoreError::AlreadyOpen { path },
            heed::Error::Mdb(MdbError::Corrupted | MdbError::PageNotFound) => {
                StoreError::of(&path, source)
            }
            heed::Error::Io(ref error) if is_no_space(error) => StoreError::Full { path, source },
            source => StoreError::Open { path, source },
        }
    }

    pub(super) fn corrupt(path: &Path, place: String, problem: &'static str) -> StoreError {
        StoreError::Corrupt { path: path.to_path_buf(), place, problem }
    }
}

pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
