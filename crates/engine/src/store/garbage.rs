//! What is to be removed: keyspaces that were flushed, and values in parts that were deleted.
//!
//! | table     | key (big-endian)                | value |
//! |-----------|---------------------------------|-------|
//! | `garbage` | keyspace `u32`                  | nothing |
//! | `garbage` | keyspace `u32`, value `u64`     | nothing |

use std::ops::Bound;

use heed::RoTxn;

use super::tables::Table;
use super::{Checkpoint, Store, StoreError};

/// Something that was dropped as a whole, and whose records are still being removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Garbage {
    /// All records and parts of a keyspace.
    Keyspace(u32),
    /// The parts of a value in a keyspace.
    Value(u32, u64),
}

impl Garbage {
    /// The key in the table, which is also what the keys of all its records begin with.
    fn to_bytes(self) -> Vec<u8> {
        match self {
            Garbage::Keyspace(keyspace) => keyspace.to_be_bytes().to_vec(),
            Garbage::Value(keyspace, value) => {
                [&keyspace.to_be_bytes()[..], &value.to_be_bytes()].concat()
            }
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Garbage> {
        let (keyspace, value) = bytes.split_first_chunk::<4>()?;
        let keyspace = u32::from_be_bytes(*keyspace);
        match value.len() {
            0 => Some(Garbage::Keyspace(keyspace)),
            _ => Some(Garbage::Value(keyspace, u64::from_be_bytes(value.try_into().ok()?))),
        }
    }
}

impl Store {
    /// What [`Checkpoint::drop_later`] has put on the list. No database may use the ids of these keyspaces.
    pub(crate) fn garbage(&self) -> Result<Vec<Garbage>, StoreError> {
        self.garbage_in(&*self.read_txn()?)
    }

    /// Whether anything is left to be removed.
    pub(crate) fn has_garbage(&self) -> Result<bool, StoreError> {
        let txn = self.read_txn()?;
        let first = self.tables.garbage.first(&txn).map_err(|error| self.fault(error))?;
        Ok(first.is_some())
    }

    pub(super) fn garbage_in(&self, txn: &RoTxn<'_>) -> Result<Vec<Garbage>, StoreError> {
        let mut garbage = Vec::new();
        for entry in self.tables.garbage.iter(txn).map_err(|error| self.fault(error))? {
            let (key, _) = entry.map_err(|error| self.fault(error))?;
            garbage.push(self.garbage_entry(key)?);
        }
        Ok(garbage)
    }

    fn garbage_entry(&self, key: &[u8]) -> Result<Garbage, StoreError> {
        Garbage::from_bytes(key).ok_or_else(|| {
            self.corrupt("the list of garbage".into(), "an entry is no keyspace and no value")
        })
    }
}

impl Checkpoint<'_> {
    /// Puts something on the list of what is to be removed: cheap at any size.
    ///
    /// So a flush goes into the checkpoint that gives the database its new keyspace, and the end of a value into the one that
    /// removes its key; [`Checkpoint::remove_garbage`] does the rest, a bounded piece each time.
    pub(crate) fn drop_later(&mut self, garbage: Garbage) -> Result<(), StoreError> {
        let tables = self.store.tables;
        let prefix = garbage.to_bytes();
        let of_value = matches!(garbage, Garbage::Value(..));
        let nothing = self.is_empty(tables.parts, &prefix)?
            && (of_value
                || self.is_empty(tables.records, &prefix)?
                    && self.is_empty(tables.expiry, &prefix)?);
        if nothing {
            return Ok(());
        }
        let put = tables.garbage.put(&mut self.txn, &prefix, &[]);
        put.map_err(|error| self.store.write_fault(error))
    }

    /// Removes at most `max` records, parts and entries of the expiry index of what is on the list, and takes off it what is gone. True: there is more.
    pub(crate) fn remove_garbage(&mut self, max: usize) -> Result<bool, StoreError> {
        let tables = self.store.tables;
        let mut left = max;
        loop {
            let first = tables.garbage.first(&self.txn);
            let first = first.map_err(|error| self.store.fault(error))?;
            let Some(garbage) = first.map(|(key, _)| self.store.garbage_entry(key)).transpose()?
            else {
                return Ok(false);
            };
            if left == 0 {
                return Ok(true);
            }
            let prefix = garbage.to_bytes();
            let mut of = [tables.parts, tables.expiry, tables.records].into_iter();
            if matches!(garbage, Garbage::Value(..)) {
                of = [tables.parts; 3].into_iter();
            }
            for table in of {
                left -= self.remove_some(table, &prefix, left)?;
            }
            if left > 0 {
                // All that begins so: of a keyspace, the values on the list too.
                left -= self.remove_some(tables.garbage, &prefix, left)?;
            }
        }
    }

    /// Returns how many were there.
    fn remove_some(
        &mut self,
        table: Table,
        prefix: &[u8],
        max: usize,
    ) -> Result<usize, StoreError> {
        let entries =
            table.prefix_iter(&self.txn, prefix).map_err(|error| self.store.fault(error))?;
        let last = entries.take(max).last().transpose().map_err(|error| self.store.fault(error))?;
        let Some(last) = last.map(|(key, _)| key.to_vec()) else { return Ok(0) };
        let bounds = (Bound::Included(prefix), Bound::Included(&last[..]));
        table.delete_range(&mut self.txn, &bounds).map_err(|error| self.store.write_fault(error))
    }

    fn is_empty(&self, table: Table, prefix: &[u8]) -> Result<bool, StoreError> {
        let mut entries =
            table.prefix_iter(&self.txn, prefix).map_err(|error| self.store.fault(error))?;
        Ok(entries.next().transpose().map_err(|error| self.store.fault(error))?.is_none())
    }
}
