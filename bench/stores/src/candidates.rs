//! The stores that are measured, each in the form in which Tuckbox would use it.

use std::error::Error;
use std::path::Path;

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
pub type Key = [u8; 16];

/// What redb and fjall may keep in memory of their files. LMDB leaves that to the system.
const CACHE_BYTES: usize = 256 << 20;
const MAP_BYTES: usize = 1 << 40;

pub const NAMES: [&str; 3] = ["heed", "redb", "fjall"];

/// A store of checkpoints.
pub trait Candidate: Send + Sync {
    /// Writes all changes in one transaction and returns when they are durable.
    fn checkpoint(&self, changes: &[(Key, Vec<u8>)]) -> Result<()>;
    /// The length of the value of `key`, after reading all of it.
    fn read(&self, key: &Key) -> Result<Option<usize>>;
}

pub fn open(name: &str, dir: &Path) -> Result<Box<dyn Candidate>> {
    std::fs::create_dir_all(dir)?;
    match name {
        "heed" => Ok(Box::new(Heed::open(dir)?)),
        "redb" => Ok(Box::new(Redb::open(dir)?)),
        "fjall" => Ok(Box::new(Fjall::open(dir)?)),
        other => Err(format!("no store is called {other}").into()),
    }
}

/// Touches every byte, as a decoder would.
fn consume(value: &[u8]) -> usize {
    std::hint::black_box(value.iter().fold(0_u8, |sum, byte| sum ^ byte));
    value.len()
}

struct Heed {
    env: heed::Env<heed::WithoutTls>,
    table: heed::Database<heed::types::Bytes, heed::types::Bytes>,
}

impl Heed {
    fn open(dir: &Path) -> Result<Heed> {
        let mut options = heed::EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_BYTES).max_dbs(1);
        // SAFETY: nothing else writes the file while this process runs.
        let env = unsafe { options.open(dir)? };
        let txn = env.read_txn()?;
        let found = env.open_database(&txn, Some("records"))?;
        let table = match found {
            Some(table) => {
                txn.commit()?;
                table
            }
            None => {
                drop(txn);
                let mut txn = env.write_txn()?;
                let table = env.create_database(&mut txn, Some("records"))?;
                txn.commit()?;
                table
            }
        };
        Ok(Heed { env, table })
    }
}

impl Candidate for Heed {
    fn checkpoint(&self, changes: &[(Key, Vec<u8>)]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        for (key, value) in changes {
            self.table.put(&mut txn, key, value)?;
        }
        Ok(txn.commit()?)
    }

    fn read(&self, key: &Key) -> Result<Option<usize>> {
        let txn = self.env.read_txn()?;
        Ok(self.table.get(&txn, key)?.map(consume))
    }
}

struct Redb {
    db: redb::Database,
}

const REDB_TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("records");

impl Redb {
    fn open(dir: &Path) -> Result<Redb> {
        let db = redb::Builder::new().set_cache_size(CACHE_BYTES).create(dir.join("data.redb"))?;
        Ok(Redb { db })
    }
}

impl Candidate for Redb {
    fn checkpoint(&self, changes: &[(Key, Vec<u8>)]) -> Result<()> {
        let mut txn = self.db.begin_write()?;
        // Without it, opening after a crash walks the whole file.
        txn.set_quick_repair(true);
        {
            let mut table = txn.open_table(REDB_TABLE)?;
            for (key, value) in changes {
                table.insert(&key[..], &value[..])?;
            }
        }
        Ok(txn.commit()?)
    }

    fn read(&self, key: &Key) -> Result<Option<usize>> {
        use redb::ReadableDatabase;
        let table = self.db.begin_read()?.open_table(REDB_TABLE)?;
        Ok(table.get(&key[..])?.map(|value| consume(value.value())))
    }
}

struct Fjall {
    db: fjall::Database,
    keyspace: fjall::Keyspace,
}

impl Fjall {
    fn open(dir: &Path) -> Result<Fjall> {
        let db = fjall::Database::builder(dir).cache_size(CACHE_BYTES as u64).open()?;
        let keyspace = db.keyspace("records", fjall::KeyspaceCreateOptions::default)?;
        Ok(Fjall { db, keyspace })
    }
}

impl Candidate for Fjall {
    fn checkpoint(&self, changes: &[(Key, Vec<u8>)]) -> Result<()> {
        let mut batch = self.db.batch().durability(Some(fjall::PersistMode::SyncAll));
        for (key, value) in changes {
            batch.insert(&self.keyspace, &key[..], &value[..]);
        }
        Ok(batch.commit()?)
    }

    fn read(&self, key: &Key) -> Result<Option<usize>> {
        Ok(self.keyspace.get(key)?.map(|value| consume(&value)))
    }
}
