//! The LMDB environment: its file, its map, its tables and the version of their form.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};

use super::error::StoreError;

/// Reads at one time. A slot is 64 bytes of the lock file.
pub(super) const READS_MAX: u32 = 1024;
/// Address space for the data file. Costs nothing until used, and is the largest size of a store.
pub(super) const MAP_BYTES: usize = 1 << 40;
/// Where halving the address space stops.
const MAP_BYTES_MIN: usize = 64 << 20;
/// The form of the tables that this code writes, and the only one it reads.
pub(super) const FORMAT: u32 = 2;
/// Where the format lies in the table `meta`. Databases lie under 4 bytes.
pub(super) const FORMAT_KEY: &[u8] = b"format";

/// LMDB's mark in a root.
const ROOT_MAGIC: u32 = 0xbeef_c0de;
/// A data file of four of the largest pages, as LMDB makes it.
const UNFINISHED_BYTES_MAX: u64 = 64 << 10;

const DATA_FILE: &str = "data.mdb";

pub(super) type Table = Database<Bytes, Bytes>;

/// The tables of a store. The names and forms are part of the format.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// [`Place`](super::record::Place) -> record.
    pub(super) records: Table,
    /// [`PartPlace`](super::parts::PartPlace) -> part of a value.
    pub(super) parts: Table,
    /// [`Expiry`](super::record::Expiry) -> nothing: the records that expire, soonest first.
    pub(super) expiry: Table,
    /// The format, and a [`DatabaseMeta`](super::DatabaseMeta) for each index.
    pub(super) meta: Table,
    /// What is being removed; see [`Garbage`](super::Garbage).
    pub(super) garbage: Table,
}

pub(super) fn data_file(dir: &Path) -> PathBuf {
    dir.join(DATA_FILE)
}

/// Opens the environment in `dir`, or makes one. The time does not depend on its size.
pub(super) fn open_env(dir: &Path, map_bytes: usize) -> Result<Env<WithoutTls>, StoreError> {
    fs::create_dir_all(dir)
        .and_then(|()| put_unfinished_aside(dir))
        .map_err(|error| StoreError::opening(dir, error.into()))?;
    let env = map_env(dir, map_bytes, EnvFlags::empty())?;
    cover_pages(&env, dir).map_err(|error| StoreError::opening(dir, error.into()))?;
    Ok(env)
}

/// Whether the data file was being made when the power went: it has no two roots, which is what LMDB writes first. Nothing can
/// have been in it, or everything is in the log, which is seen to when that is read.
pub(super) fn is_unfinished(dir: &Path) -> io::Result<bool> {
    let file = match File::open(data_file(dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    // Beyond this it has been written to for long: what is wrong then is damage.
    if file.metadata()?.len() > UNFINISHED_BYTES_MAX {
        return Ok(false);
    }
    Ok(match root_at(&file, 0, 0)? {
        Root::Whole { page_bytes } => root_at(&file, page_bytes, 1)? == Root::Begun,
        Root::Begun => true,
        Root::Foreign => false,
    })
}

/// What stands where a root should be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Whole {
        page_bytes: u64,
    },
    /// Nothing but zeros and parts of one.
    Begun,
    Foreign,
}

/// Looks at the page's number and flags, the magic, and the size of a page.
fn root_at(file: &File, offset: u64, number: u8) -> io::Result<Root> {
    const FLAGS_AT: usize = 10;
    const MAGIC_AT: usize = 16;
    const PAGE_BYTES_AT: usize = 40;
    let mut marks = [0; MAGIC_AT + 4];
    marks[0] = number;
    marks[FLAGS_AT] = 8;
    marks[MAGIC_AT..].copy_from_slice(&ROOT_MAGIC.to_ne_bytes());
    let mut root = Vec::new();
    let mut file = file;
    file.seek(SeekFrom::Start(offset))?;
    file.take(PAGE_BYTES_AT as u64 + 4).read_to_end(&mut root)?;
    if let Some(bytes) = root.get(PAGE_BYTES_AT..).and_then(<[u8]>::first_chunk)
        && root.starts_with(&marks)
    {
        return Ok(Root::Whole { page_bytes: u64::from(u32::from_ne_bytes(*bytes)) });
    }
    let begun = root.iter().zip(marks).all(|(&found, mark)| found == 0 || found == mark);
    Ok(if begun { Root::Begun } else { Root::Foreign })
}

fn put_unfinished_aside(dir: &Path) -> io::Result<()> {
    if is_unfinished(dir)? {
        let aside = dir.join("data.mdb.unfinished");
        tracing::warn!(file = %aside.display(), "the store had not been made to its end: it is made anew");
        fs::rename(data_file(dir), aside)?;
    }
    Ok(())
}

/// Opens the environment in `dir` and leaves its data as it is. Reading past the end of a file that was cut ends the process.
pub(super) fn open_env_to_read(dir: &Path) -> Result<Env<WithoutTls>, StoreError> {
    map_env(dir, MAP_BYTES, EnvFlags::READ_ONLY)
}

fn map_env(
    dir: &Path,
    mut map_bytes: usize,
    flags: EnvFlags,
) -> Result<Env<WithoutTls>, StoreError> {
    loop {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(map_bytes).max_readers(READS_MAX).max_dbs(5);
        #[expect(
            unsafe_code,
            reason = "a memory map is the point of LMDB: reads cost no copy and no system call"
        )]
        // SAFETY: the file of a map must not change under it except through LMDB. Nothing in Tuckbox writes it, and the
        // documentation tells the operator that a running engine's directory is not to be touched. No flag that drops
        // locking or syncing is set, and heed refuses a second environment on the same directory in this process.
        let opened = unsafe { options.flags(flags).open(dir) };
        match opened {
            Err(heed::Error::Io(error))
                if error.kind() == io::ErrorKind::OutOfMemory && map_bytes > MAP_BYTES_MIN =>
            {
                map_bytes /= 2;
            }
            opened => return opened.map_err(|error| StoreError::opening(dir, error)),
        }
    }
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
    /// The tables of an environment; `None` when it is new.
    pub(super) fn existing(
        env: &Env<WithoutTls>,
        dir: &Path,
    ) -> Result<Option<Tables>, StoreError> {
        let fault = |error| StoreError::opening(dir, error);
        let txn = env.read_txn().map_err(fault)?;
        let Some(tables) = Tables::find(env, &txn).map_err(fault)? else { return Ok(None) };
        tables.check_format(&txn, dir)?;
        // Table handles opened in a transaction outlive it only if it is committed.
        txn.commit().map_err(fault)?;
        Ok(Some(tables))
    }

    /// The tables of an environment, made if it is new.
    pub(super) fn open(env: &Env<WithoutTls>, dir: &Path) -> Result<Tables, StoreError> {
        if let Some(tables) = Tables::existing(env, dir)? {
            return Ok(tables);
        }
        let fault = |error| StoreError::opening(dir, error);
        let tables = Tables::create(env).map_err(fault)?;
        sync_dir(dir).map_err(|error| fault(error.into()))?;
        Ok(tables)
    }

    /// None: the environment is empty.
    fn find(env: &Env<WithoutTls>, txn: &RoTxn<'_>) -> heed::Result<Option<Tables>> {
        let table = |name| env.open_database::<Bytes, Bytes>(txn, Some(name));
        match (table("records")?, table("expiry")?, table("meta")?, table("garbage")?) {
            (Some(records), Some(expiry), Some(meta), Some(garbage)) => {
                // Missing in a format that is refused as soon as it is read.
                let parts = table("parts")?.unwrap_or(records);
                Ok(Some(Tables { records, parts, expiry, meta, garbage }))
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
            parts: table(&mut txn, "parts")?,
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
            Some(found) if found > 0 => {
                Err(StoreError::VersionTooOld { path: dir.to_path_buf(), found, supported: FORMAT })
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
