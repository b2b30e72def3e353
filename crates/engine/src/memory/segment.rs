//! [`Segment`]: the entries of one range of key hashes.
//!
//! The keyspace is cut by the upper bits of the key's hash into segments of a
//! few hundred entries. Growing means splitting one segment, so no command
//! ever pays for rehashing the whole keyspace; a background visit handles one
//! segment at a time, so nobody waits longer than that takes; and the order of
//! segments is the order of hashes, which is the order of the store.

use hashbrown::{HashTable, hash_table::Entry as TableEntry};

use super::{Value, key::Key};

/// A segment splits when it would pass this many entries: seven eighths of
/// 512 buckets, where the index would otherwise double.
pub(super) const SPLIT_AT: usize = 448;

/// Entries lie in chunks of so many: pieces of memory of one size, so that what
/// one segment gives back another can take, and growing copies nothing.
const CHUNK: usize = 16;

/// What a segment holds of one key. 72 bytes.
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

    /// Bytes this entry takes besides its place in the segment, roughly: the
    /// value's allocation, and the key's if it is long.
    pub(super) fn memory(&self) -> usize {
        self.key.memory() + self.value.as_ref().map_or(0, Value::memory)
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
///
/// They lie close together, and a small index says where: so only the index,
/// not a table of entries, has the free room that a hash table needs.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: Header,
    /// Where the entry of a hash is.
    index: HashTable<u16>,
    entries: Entries,
}

/// Entries by position.
#[derive(Debug, Default)]
struct Entries {
    /// All but the last one are full.
    chunks: Vec<Vec<Entry>>,
}

impl Entries {
    fn len(&self) -> usize {
        match self.chunks.last() {
            Some(last) => (self.chunks.len() - 1) * CHUNK + last.len(),
            None => 0,
        }
    }

    /// Bytes of the chunks.
    fn room(&self) -> usize {
        const CHUNK_BYTES: usize = size_of::<Entry>() * CHUNK + size_of::<Vec<Entry>>() + 16;
        self.chunks.len() * CHUNK_BYTES
    }

    fn at(&self, position: usize) -> &Entry {
        &self.chunks[position / CHUNK][position % CHUNK]
    }

    fn at_mut(&mut self, position: usize) -> &mut Entry {
        &mut self.chunks[position / CHUNK][position % CHUNK]
    }

    fn push(&mut self, entry: Entry) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(entry),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
    }

    /// Takes the entry out; the last one moves into its place.
    fn swap_remove(&mut self, position: usize) -> Entry {
        let Some(chunk) = self.chunks.last_mut() else { unreachable!("there is an entry") };
        let Some(last) = chunk.pop() else { unreachable!("no chunk is empty") };
        let is_empty = chunk.is_empty();
        if is_empty {
            self.chunks.pop();
        }
        if position == self.len() { last } else { std::mem::replace(self.at_mut(position), last) }
    }

    fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flatten()
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.chunks.iter_mut().flatten()
    }
}

/// The index tells buckets apart by the upper bits of the hash it is given,
/// which are the same in a whole segment: turn the lower half up.
fn table_hash(hash: u64) -> u64 {
    hash.rotate_left(32)
}

/// An entry that was found, with the segment around it.
pub(super) struct Found<'a> {
    index: &'a mut HashTable<u16>,
    entries: &'a mut Entries,
    position: usize,
}

impl<'a> Found<'a> {
    pub(super) fn get(&self) -> &Entry {
        self.entries.at(self.position)
    }

    pub(super) fn get_mut(&mut self) -> &mut Entry {
        self.entries.at_mut(self.position)
    }

    pub(super) fn into_mut(self) -> &'a mut Entry {
        self.entries.at_mut(self.position)
    }

    /// Takes the entry out; the last one moves into its place. Returns the bytes
    /// of room that are free.
    pub(super) fn remove(self, hash_of: impl Fn(&[u8]) -> u64) -> usize {
        let before = self.entries.room();
        drop(take_out(self.index, self.entries, self.position, hash_of));
        before - self.entries.room()
    }
}

fn take_out(
    index: &mut HashTable<u16>,
    entries: &mut Entries,
    position: usize,
    hash_of: impl Fn(&[u8]) -> u64,
) -> Entry {
    let last = entries.len() - 1;
    let hash = |position: usize| table_hash(hash_of(&entries.at(position).key));
    let place = index.find_entry(hash(position), |&found| usize::from(found) == position);
    if let Ok(place) = place {
        place.remove();
    }
    if last != position
        && let Some(moved) = index.find_mut(hash(last), |&found| usize::from(found) == last)
    {
        *moved = as_position(position);
    }
    entries.swap_remove(position)
}

/// A segment is split long before its positions need more bits, unless its keys
/// share 40 bits of a hash that nobody outside can compute.
fn as_position(position: usize) -> u16 {
    match u16::try_from(position) {
        Ok(position) => position,
        Err(_) => unreachable!("a segment of more than 65,535 keys"),
    }
}

impl Segment {
    pub(super) fn new(depth: u8) -> Self {
        Self {
            header: Header { depth, next_expiry: u64::MAX, epoch: 0, removed: 0 },
            index: HashTable::new(),
            entries: Entries::default(),
        }
    }

    /// Whether most of the index is empty, so that a visit would shrink it.
    pub(super) fn is_sparse(&self) -> bool {
        self.entries.len() < self.index.capacity() / 4
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the places for entries, used or not, and of the index.
    pub(super) fn room(&self) -> usize {
        self.entries.room() + self.index.allocation_size()
    }

    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        let entries = &self.entries;
        let is_it = |&position: &u16| *entries.at(usize::from(position)).key == *key;
        let position = self.index.find(table_hash(hash), is_it)?;
        Some(entries.at(usize::from(*position)))
    }

    /// The entry in its place, with the header beside it.
    pub(super) fn find(&mut self, hash: u64, key: &[u8]) -> Option<(Found<'_>, &mut Header)> {
        let Self { header, index, entries } = self;
        let is_it = |&position: &u16| *entries.at(usize::from(position)).key == *key;
        let position = usize::from(*index.find(table_hash(hash), is_it)?);
        Some((Found { index, entries, position }, header))
    }

    /// Adds an entry whose key the segment does not have.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry, hash_of: impl Fn(&[u8]) -> u64) {
        self.header.note(&entry);
        let entries = &self.entries;
        let position = as_position(entries.len());
        let hash_at = |&position: &u16| table_hash(hash_of(&entries.at(usize::from(position)).key));
        self.index.insert_unique(table_hash(hash), position, hash_at);
        self.entries.push(entry);
    }

    /// The entry of `key`, or a new one made by `make`.
    pub(super) fn find_or_insert(
        &mut self,
        hash: u64,
        key: &[u8],
        hash_of: impl Fn(&[u8]) -> u64,
        make: impl FnOnce() -> Entry,
    ) -> (Found<'_>, &mut Header) {
        let Self { header, index, entries } = self;
        let place = index.entry(
            table_hash(hash),
            |&position| *entries.at(usize::from(position)).key == *key,
            |&position| table_hash(hash_of(&entries.at(usize::from(position)).key)),
        );
        let position = match place {
            TableEntry::Occupied(place) => usize::from(*place.get()),
            TableEntry::Vacant(place) => {
                let position = entries.len();
                place.insert(as_position(position));
                entries.push(make());
                position
            }
        };
        (Found { index, entries, position }, header)
    }

    /// Moves the entries whose next hash bit is 1 to a new segment.
    pub(super) fn split(&mut self, hash_of: impl Fn(&[u8]) -> u64) -> Self {
        let bit = 1u64 << (63 - self.header.depth);
        self.header.depth += 1;
        let mut upper = Self::new(self.header.depth);
        upper.header.next_expiry = self.header.next_expiry;
        upper.header.epoch = self.header.epoch;
        upper.header.removed = self.header.removed;
        for entry in std::mem::take(&mut self.entries).chunks.into_iter().flatten() {
            let goes_up = hash_of(&entry.key) & bit != 0;
            if goes_up { &mut upper.entries } else { &mut self.entries }.push(entry);
        }
        self.rebuild(&hash_of);
        upper.rebuild(&hash_of);
        upper
    }

    /// Makes the index anew, for the entries that there are.
    fn rebuild(&mut self, hash_of: impl Fn(&[u8]) -> u64) {
        let entries = &self.entries;
        let hash_at = |position: usize| table_hash(hash_of(&entries.at(position).key));
        let mut index = HashTable::with_capacity(entries.len());
        for position in 0..entries.len() {
            index.insert_unique(hash_at(position), as_position(position), |&position| {
                hash_at(usize::from(position))
            });
        }
        self.index = index;
    }

    /// Every entry.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Every entry, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut()
    }

    /// Takes out the entries that `out` says, and gives room back when most of
    /// it is empty. What is to be freed is added to `removed`.
    pub(super) fn drain_if(
        &mut self,
        hash_of: impl Fn(&[u8]) -> u64,
        mut out: impl FnMut(&mut Entry) -> bool,
        removed: &mut Removed,
    ) {
        let mut position = 0;
        while position < self.entries.len() {
            if out(self.entries.at_mut(position)) {
                let entry = take_out(&mut self.index, &mut self.entries, position, &hash_of);
                removed.entries.push(entry);
            } else {
                position += 1;
            }
        }
        if self.is_sparse() {
            self.rebuild(hash_of);
        }
    }
}

/// What was taken out of segments, to be dropped outside the lock: giving much
/// memory back to the system can take milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    pub(super) entries: Vec<Entry>,
}

impl Removed {
    /// Frees everything and keeps room for as many entries again.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
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
