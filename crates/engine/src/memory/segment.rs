//! [`Segment`]: the entries of one range of key hashes.
//!
//! The keyspace is cut by the upper bits of the key's hash into segments of a
//! few hundred entries. Growing means splitting one segment, so no command
//! ever pays for rehashing the whole keyspace; a background visit handles one
//! segment at a time, so nobody waits longer than that takes; and the order of
//! segments is the order of hashes, which is the order of the store.

use hashbrown::{
    HashTable,
    hash_table::{Entry as TableEntry, OccupiedEntry},
};

use super::{Value, key::Key};

/// A segment splits when it would pass this many entries: seven eighths of
/// 512 buckets, where the table would otherwise double.
pub(super) const SPLIT_AT: usize = 448;

/// What the table holds of one key. 72 bytes.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) key: Key,
    /// `None`: deleted, and the store does not know it yet.
    pub(super) value: Option<Value>,
    /// Unix time in milliseconds; 0 means never.
    pub(super) expire_at: u64,
    /// The keyspace's version when the key last changed.
    pub(super) version: u64,
    /// The checkpoint epoch in which the key last changed. The store has this
    /// very state when the epoch is committed.
    pub(super) epoch: u32,
    /// The store may hold a record of this key.
    pub(super) in_store: bool,
    /// Used since the eviction hand last came by.
    pub(super) recent: bool,
}

impl Entry {
    /// Whether the key's time has come.
    pub(super) fn is_expired(&self, now: u64) -> bool {
        self.expire_at != 0 && self.expire_at <= now
    }

    /// Bytes this entry takes, roughly: its bucket at the usual load, the
    /// value's allocation with its overhead, and the key's if it is long.
    pub(super) fn memory(&self) -> usize {
        const BUCKET: usize = size_of::<Entry>() * 3 / 2 + 16;
        BUCKET + self.key.memory() + self.value.as_ref().map_or(0, Value::memory)
    }
}

/// What is known of a segment without looking at its entries.
#[derive(Debug)]
pub(super) struct Header {
    /// How many upper bits of the hash all entries share.
    pub(super) depth: u8,
    /// No entry expires before this; `u64::MAX` when none expires.
    pub(super) next_expiry: u64,
    /// The latest epoch in which an entry changed.
    pub(super) epoch: u32,
    /// The latest version in which an entry went without a trace.
    pub(super) removed: u64,
}

/// The entries of one range of key hashes.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: Header,
    table: HashTable<Entry>,
}

/// The table tells buckets apart by the upper bits of the hash it is given,
/// which are the same in a whole segment: turn the lower half up.
fn table_hash(hash: u64) -> u64 {
    hash.rotate_left(32)
}

impl Segment {
    pub(super) fn new(depth: u8) -> Self {
        Self {
            header: Header { depth, next_expiry: u64::MAX, epoch: 0, removed: 0 },
            table: HashTable::new(),
        }
    }

    /// Whether most of the table is empty, so that a visit would shrink it.
    pub(super) fn is_sparse(&self) -> bool {
        self.table.len() < self.table.capacity() / 4
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.table.find(table_hash(hash), |entry| *entry.key == *key)
    }

    /// The entry in its place, with the header beside it.
    pub(super) fn find(
        &mut self,
        hash: u64,
        key: &[u8],
    ) -> Option<(OccupiedEntry<'_, Entry>, &mut Header)> {
        let found = self.table.find_entry(table_hash(hash), |entry| *entry.key == *key);
        found.ok().map(|entry| (entry, &mut self.header))
    }

    /// Adds an entry whose key the segment does not have.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry, hash_of: impl Fn(&[u8]) -> u64) {
        self.header.note(&entry);
        self.table.insert_unique(table_hash(hash), entry, |entry| table_hash(hash_of(&entry.key)));
    }

    /// The entry of `key`, or a new one made by `make`.
    pub(super) fn find_or_insert(
        &mut self,
        hash: u64,
        key: &[u8],
        hash_of: impl Fn(&[u8]) -> u64,
        make: impl FnOnce() -> Entry,
    ) -> (OccupiedEntry<'_, Entry>, &mut Header) {
        let entry = self.table.entry(
            table_hash(hash),
            |entry| *entry.key == *key,
            |entry| table_hash(hash_of(&entry.key)),
        );
        let entry = match entry {
            TableEntry::Occupied(entry) => entry,
            TableEntry::Vacant(place) => place.insert(make()),
        };
        (entry, &mut self.header)
    }

    /// Moves the entries whose next hash bit is 1 to a new segment.
    pub(super) fn split(&mut self, hash_of: impl Fn(&[u8]) -> u64) -> Self {
        let bit = 1u64 << (63 - self.header.depth);
        self.header.depth += 1;
        let mut upper = Self::new(self.header.depth);
        upper.header.next_expiry = self.header.next_expiry;
        upper.header.epoch = self.header.epoch;
        upper.header.removed = self.header.removed;
        let moving = self.table.extract_if(|entry| hash_of(&entry.key) & bit != 0);
        for entry in moving {
            let hash = hash_of(&entry.key);
            upper.insert(hash, entry, &hash_of);
        }
        upper
    }

    /// Every entry.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.table.iter()
    }

    /// Every entry, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.table.iter_mut()
    }

    /// Takes out the entries that `out` says, and gives room back when most of
    /// the table is empty. What is to be freed is added to `removed`.
    pub(super) fn drain_if(
        &mut self,
        hash_of: impl Fn(&[u8]) -> u64,
        mut out: impl FnMut(&mut Entry) -> bool,
        removed: &mut Removed,
    ) {
        removed.entries.extend(self.table.extract_if(|entry| out(entry)));
        if self.is_sparse() {
            let mut smaller = HashTable::with_capacity(self.table.len());
            for entry in self.table.drain() {
                let hash = table_hash(hash_of(&entry.key));
                smaller.insert_unique(hash, entry, |entry| table_hash(hash_of(&entry.key)));
            }
            removed.tables.push(std::mem::replace(&mut self.table, smaller));
        }
    }
}

/// What was taken out of segments, to be dropped outside the lock: giving much
/// memory back to the system can take milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    pub(super) entries: Vec<Entry>,
    tables: Vec<HashTable<Entry>>,
}

impl Removed {
    /// Frees everything and keeps room for as many entries again.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.tables.clear();
    }
}

impl Header {
    /// Takes note of an entry's expiry and epoch.
    pub(super) fn note(&mut self, entry: &Entry) {
        if entry.expire_at != 0 {
            self.next_expiry = self.next_expiry.min(entry.expire_at);
        }
        self.epoch = self.epoch.max(entry.epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 72, "{}", size_of::<Entry>());
    }
}
