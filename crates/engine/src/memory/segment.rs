//! [`Segment`]: the entries of one range of key hashes.
//!
//! The keyspace is cut by the upper bits of the key's hash into segments of a
//! few hundred entries. Growing means splitting one segment, so no command
//! ever pays for rehashing the whole keyspace; a background visit handles one
//! segment at a time, so nobody waits longer than that takes; and the order of
//! segments is the order of hashes, which is the order of the store.

mod entries;
mod entry;
mod index;

use self::{entries::Entries, index::Index};

pub(crate) use self::entry::Entry;

/// A segment splits when it would pass this many entries: seven eighths of
/// 512 slots, where the index would otherwise double.
pub(super) const SPLIT_AT: usize = 448;

/// A visit that takes out more entries than this makes the index anew: by then
/// that is less work than taking them out of it.
const TAKEN_OUT_ONE_BY_ONE: usize = 32;

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
/// not a table of entries, has the free room that a hash table needs. It begins
/// with what every command looks at, in one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Segment {
    pub(super) header: Header,
    /// Where the entry of a hash is.
    index: Index,
    entries: Entries,
}

/// An entry that was found, with the segment around it.
pub(super) struct Found<'a> {
    index: &'a mut Index,
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
    index: &mut Index,
    entries: &mut Entries,
    position: usize,
    hash_of: impl Fn(&[u8]) -> u64,
) -> Entry {
    let hash_at = |position: usize| hash_of(&entries.at(position).key);
    index.remove(hash_at(position), position, hash_at);
    let last = entries.len() - 1;
    if last != position {
        index.relocate(hash_at(last), last, position);
    }
    entries.swap_remove(position)
}

impl Segment {
    pub(super) fn new(depth: u8) -> Self {
        Self {
            header: Header { depth, next_expiry: u64::MAX, epoch: 0, removed: 0 },
            index: Index::default(),
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
        self.entries.room() + self.index.room()
    }

    fn position(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.index.find(hash, |position| *self.entries.at(position).key == *key)
    }

    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.position(hash, key).map(|position| self.entries.at(position))
    }

    /// The entry in its place, with the header beside it.
    pub(super) fn find(&mut self, hash: u64, key: &[u8]) -> Option<(Found<'_>, &mut Header)> {
        let position = self.position(hash, key)?;
        let Self { header, index, entries } = self;
        Some((Found { index, entries, position }, header))
    }

    /// Adds an entry whose key the segment does not have.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry, hash_of: impl Fn(&[u8]) -> u64) {
        self.header.note(&entry);
        if self.entries.len() == self.index.capacity() {
            self.rebuild(self.entries.len() + 1, hash_of);
        }
        self.index.insert(hash, self.entries.len());
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
        let position = self.position(hash, key).unwrap_or_else(|| {
            self.insert(hash, make(), hash_of);
            self.entries.len() - 1
        });
        let Self { header, index, entries } = self;
        (Found { index, entries, position }, header)
    }

    /// Moves the entries whose next hash bit is 1 to a new segment. The order of
    /// those on either side stays the same.
    pub(super) fn split(&mut self, hash_of: impl Fn(&[u8]) -> u64) -> Self {
        let bit = 1u64 << (63 - self.header.depth);
        self.header.depth += 1;
        let mut upper = Self::new(self.header.depth);
        upper.header.next_expiry = self.header.next_expiry;
        upper.header.epoch = self.header.epoch;
        upper.header.removed = self.header.removed;
        // Both will soon have more than half of what there was.
        upper.index = Index::with_room(self.entries.len());
        self.index.clear();
        for entry in std::mem::take(&mut self.entries).into_entries() {
            let hash = hash_of(&entry.key);
            let half = if hash & bit != 0 { &mut upper } else { &mut *self };
            half.index.insert(hash, half.entries.len());
            half.entries.push(entry);
        }
        upper
    }

    /// Makes the index anew, with room for `entries`.
    fn rebuild(&mut self, entries: usize, hash_of: impl Fn(&[u8]) -> u64) {
        self.index = Index::with_room(entries);
        for (position, entry) in self.entries.iter().enumerate() {
            self.index.insert(hash_of(&entry.key), position);
        }
    }

    /// Every entry.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entry at a position below [`Segment::len`], to be changed. Removing an
    /// entry moves the last one into its place, and no other.
    pub(super) fn at_mut(&mut self, position: usize) -> &mut Entry {
        self.entries.at_mut(position)
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
        let mut taken = 0;
        while position < self.entries.len() {
            if !out(self.entries.at_mut(position)) {
                position += 1;
                continue;
            }
            taken += 1;
            removed.entries.push(if taken > TAKEN_OUT_ONE_BY_ONE {
                self.entries.swap_remove(position)
            } else {
                take_out(&mut self.index, &mut self.entries, position, &hash_of)
            });
        }
        if taken > TAKEN_OUT_ONE_BY_ONE || self.is_sparse() {
            self.rebuild(self.entries.len(), hash_of);
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
        self.epoch = self.epoch.max(entry.epoch());
    }
}

#[cfg(test)]
mod tests;
