//! The LMDB environment: its file, its map, its tables and the version of their form.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{Database, Env, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};

use super::error::StoreError;

/// Reads at one time. A slot is 64 bytes of the lock file.
pub(super) const READS_MAX: u32 = 1024;
/// Address space for the data file. Costs nothing until used, and is the largest size of a store.
pub(super) const MAP_BYTES: usize = 1 << 40;
/// Where halving the address space stops.
const MAP_BYTES_MIN: usize = 64 << 20;
/// The form of the tables that this code writes, and the latest it reads.
pub(super) const FORMAT: u32 = 1;
/// Where the format lies in the table `meta`. Databases lie under 4 bytes.
pub(super) const FORMAT_KEY: &[u8] = b"format";

const DATA_FILE: &str = "data.mdb";

pub(super) type Table = Database<Bytes, Bytes>;

/// The tables of a store. The names and forms are part of the format.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// [`Place`](super::record::Place) -> record.
    pub(super) records: Table,
    /// [`Expiry`](super::record::Expiry) -> nothing: the records that expire, soonest first.
    pub(super) expiry: Table,
    /// The format, and a [`DatabaseMeta`](super::DatabaseMeta) for each index.
    pub(super) meta: Table,
    /// The keyspaces being removed.
    pub(super) garbage: Table,
}

pub(super) fn data_file(dir: &Path) -> PathBuf {
    dir.join(DATA_FILE)
}

/// Opens the environment in `dir`, or makes one. The time does not depend on its size.
pub(super) fn open_env(dir: &Path, map_bytes: usize) -> Result<Env<WithoutTls>, StoreError> {
    fs::create_dir_all(dir).map_err(|error| StoreError::opening(dir, error.into()))?;
    let mut map_bytes = map_bytes;
    let env = loop {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(map_bytes).max_readers(READS_MAX).max_dbs(4);
        #[expect(
            unsafe_code,
            reason = "a memory map is the point of LMDB: reads cost no copy and no system call"
        )]
        // SAFETY: the file of a map must not change under it except through LMDB. Nothing in Tuckbox writes it, and the
        // documentation tells the operator that a running engine's directory is not to be touched. No flag that drops
        // locking or syncing is set, and heed refuses a second environment on the same directory in this process.
        let opened = unsafe { options.open(dir) };
        match opened {
            Err(heed::Error::Io(error))
                if error.kind() == io::ErrorKind::OutOfMemory && map_bytes > MAP_BYTES_MIN =>
            {
                map_bytes /= 2;
            }
            opened => break opened.map_err(|error| StoreError::opening(dir, error))?,
        }
    };
    cover_pages(&env, dir).map_err(|error| StoreError::opening(dir, error.into()))?;
    Ok(env)
}

/// Makes the file as long as the tree says it is, with zeros that take no room on the disk. LMDB leaves the file short when the
/// last pages of a commit were free. If it is short because somebody cut it, then touching the map past its end would kill
/// the process, while zeros are found to be no page and no record.
fn cover_pages(env: &Env<WithoutTls>, dir: &Path) -> io::Result<()> {
    let bytes = (env.info().last_page_number as u64 + 1) * u64::from(env.stat().page_size);
    let path = data_file(dir);
    if fs::metadata(&path)?.len() < bytes {
        OpenOptions::new().write(true).open(&path)?.set_len(bytes)?;
    }
    Ok(())
}

impl Tables {
    /// The tables of an environment, made if it is new.
    pub(super) fn open(env: &Env<WithoutTls>, dir: &Path) -> Result<Tables, StoreError> {
        let fault = |error| StoreError::opening(dir, error);
        let txn = env.read_txn().map_err(fault)?;
        let found = Tables::find(env, &txn).map_err(fault)?;
        match found {
            Some(tables) => {
                tables.check_format(&txn, dir)?;
                // Table handles opened in a transaction outlive it only if it is committed.
                txn.commit().map_err(fault)?;
                Ok(tables)
            }
            None => {
                drop(txn);
                let tables = Tables::create(env).map_err(fault)?;
                sync_dir(dir).map_err(|error| fault(error.into()))?;
                Ok(tables)
            }
        }
    }

    /// None: the environment is empty.
    fn find(env: &Env<WithoutTls>, txn: &RoTxn<'_>) -> heed::Result<Option<Tables>> {
        let table = |name| env.open_database::<Bytes, Bytes>(txn, Some(name));
        match (table("records")?, table("expiry")?, table("meta")?, table("garbage")?) {
            (Some(records), Some(expiry), Some(meta), Some(garbage)) => {
                Ok(Some(Tables { records, expiry, meta, garbage }))
            }
            _ => match env.open_database::<Bytes, Bytes>(txn, None)? {
                Some(names) if !names.is_empty(txn)? => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it holds an LMDB environment that is not Tuckbox's",
                )
                .into()),
                _ => Ok(None),
            },
        }
    }

    fn create(env: &Env<WithoutTls>) -> heed::Result<Tables> {
        let mut txn = env.write_txn()?;
        let table =
            |txn: &mut RwTxn<'_>, name| env.create_database::<Bytes, Bytes>(txn, Some(name));
        let tables = Tables {
            records: table(&mut txn, "records")?,
            expiry: table(&mut txn, "expiry")?,
            meta: table(&mut txn, "meta")?,
            garbage: table(&mut txn, "garbage")?,
        };
        tables.meta.put(&mut txn, FORMAT_KEY, &FORMAT.to_le_bytes())?;
        txn.commit()?;
        Ok(tables)
    }

    fn check_format(&self, txn: &RoTxn<'_>, dir: &Path) -> Result<(), StoreError> {
        let bytes =
            self.meta.get(txn, FORMAT_KEY).map_err(|error| StoreError::opening(dir, error))?;
        match bytes.and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes) {
            Some(FORMAT) => Ok(()),
            Some(found) if found > FORMAT => {
                Err(StoreError::VersionTooNew { path: dir.to_path_buf(), found, supported: FORMAT })
            }
            _ => Err(StoreError::corrupt(
                &data_file(dir),
                "the format".into(),
                "it is missing or unknown",
            )),
        }
    }
}

/// Makes the names of new files, and of the directory itself, outlast a loss of power.
fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = dir.canonicalize()?;
    File::open(&dir)?.sync_all()?;
    dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
