//! [`Keyspace`]: the keys of one logical database.

mod books;
mod slot;
mod visits;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use siphasher::sip128::SipHasher13;

use self::books::Books;
pub(crate) use self::{
    books::{Images, Residency},
    slot::Slot,
};
use super::{
    Head, Parts, Reach, StoredPart, Value, ValueId,
    parts::Gap,
    segment::{Entry, SPLIT_AT, Segment},
};
use crate::types::Kind;

/// Limits are looked at when so many bytes more are held.
const GROWN_BYTES: usize = 1 << 20;

/// The hash of a key under its keyspace's seed: SipHash-1-3, which a client
/// who does not know the seed cannot make collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyHash(pub(crate) u128);

impl KeyHash {
    /// The upper half: the key's place in the order of segments and of `SCAN`.
    pub(crate) fn place(self) -> u64 {
        (self.0 >> 64) as u64
    }
}

/// A keyspace's identity: the name of its records in the store. An emptied
/// keyspace gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyspaceId(pub(crate) u32);

/// Hashes keys, and the names of items, under the keyspace's seed.
#[derive(Clone, Debug)]
pub(super) struct KeyHasher(SipHasher13);

impl KeyHasher {
    fn hash(&self, key: &[u8]) -> KeyHash {
        let hash = self.0.hash(key);
        KeyHash((u128::from(hash.h1) << 64) | u128::from(hash.h2))
    }

    pub(super) fn place(&self, key: &[u8]) -> u64 {
        self.0.hash(key).h1
    }
}

/// The keys of one logical database, or those of them that are in memory.
#[derive(Debug)]
pub(crate) struct Keyspace {
    id: KeyspaceId,
    hasher: KeyHasher,
    seed: [u8; 16],
    /// Segment number by the upper `depth` bits of the hash.
    directory: Vec<u32>,
    depth: u8,
    segments: Vec<Segment>,
    /// Parts of the values that are too large to be one.
    parts: Parts,
    books: Books,
    /// Where the next expiry sweep starts: a segment number.
    sweep_hand: usize,
    /// Where the next eviction starts: a segment number.
    evict_hand: usize,
}

impl Keyspace {
    /// An empty keyspace whose keys are hashed under `seed`.
    pub(crate) fn new(id: KeyspaceId, seed: [u8; 16]) -> Self {
        Self {
            id,
            hasher: KeyHasher(SipHasher13::new_with_key(&seed)),
            seed,
            directory: vec![0],
            depth: 0,
            segments: vec![Segment::new(0)],
            parts: Parts::default(),
            books: Books::new(),
            sweep_hand: 0,
            evict_hand: 0,
        }
    }

    /// A keyspace of `len` keys that are all in the store; `next_value` is the
    /// identity that the next value in parts gets.
    pub(crate) fn stored(id: KeyspaceId, seed: [u8; 16], len: u64, next_value: u64) -> Self {
        let mut keyspace = Self::new(id, seed);
        keyspace.parts.set_next_id(next_value);
        keyspace.books.len = len;
        if len > 0 {
            keyspace.books.residency = Residency::Partial;
        }
        keyspace
    }

    /// The name of its records in the store.
    pub(crate) fn id(&self) -> KeyspaceId {
        self.id
    }

    /// The hash seed.
    pub(crate) fn seed(&self) -> [u8; 16] {
        self.seed
    }

    /// The identity that the next value in parts gets.
    pub(crate) fn next_value(&self) -> u64 {
        self.parts.next_id()
    }

    /// Has parts of more bytes cut.
    pub(crate) fn set_part_bytes(&mut self, bytes: usize) {
        self.parts.set_part_bytes(bytes);
    }

    /// The number of keys, in memory or not; expired ones count until they are
    /// removed.
    pub(crate) fn len(&self) -> u64 {
        self.books.len
    }

    /// Bytes in memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.books.held()
    }

    /// Which of the keys are in memory.
    pub(crate) fn residency(&self) -> Residency {
        self.books.residency
    }

    /// Deleted keys that the store still has.
    pub(crate) fn gone(&self) -> usize {
        self.books.gone
    }

    /// Keys removed because their time had come, since the keyspace was made.
    pub(crate) fn expired(&self) -> u64 {
        self.books.expired
    }

    /// Clean keys dropped from memory, since the keyspace was made.
    pub(crate) fn evicted(&self) -> u64 {
        self.books.evicted
    }

    /// The hash of `key` in this keyspace.
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        self.hasher.hash(key)
    }

    /// Begins a command: its changes will carry `version`.
    pub(crate) fn begin(&mut self, version: u64) {
        self.books.version = version;
        self.books.observed = 0;
        self.books.asked = 0;
        self.books.found = 0;
    }

    /// Counts what the command asked for as reads.
    pub(crate) fn count_reads(&mut self) {
        let Books { asked, found, .. } = self.books;
        self.books.hits += u64::from(found);
        self.books.misses += u64::from(asked.wrapping_sub(found));
    }

    /// Keys that were read, and keys that were asked for and not there, since the
    /// keyspace was made.
    pub(crate) fn reads(&self) -> (u64, u64) {
        (self.books.hits, self.books.misses)
    }

    /// The latest version among the entries seen since [`Keyspace::begin`].
    pub(crate) fn observed(&self) -> u64 {
        self.books.observed
    }

    /// The version of the latest change of any key, or of the keyspace as a
    /// whole.
    pub(crate) fn latest(&self) -> u64 {
        self.books.latest.max(self.books.moved)
    }

    /// Notes that the keyspace came to its logical database in `version`.
    pub(crate) fn moved(&mut self, version: u64) {
        self.books.moved = version;
    }

    /// Goes on where `other`, whose place it takes, has stopped.
    pub(crate) fn go_on(&mut self, other: &Self) {
        self.parts.set_part_bytes(other.parts.part_bytes());
        self.books.expired = other.books.expired;
        self.books.evicted = other.books.evicted;
        (self.books.hits, self.books.misses) = other.reads();
    }

    /// Large values that were deleted; dropping them is the caller's work.
    pub(crate) fn take_trash(&mut self) -> Vec<Value> {
        self.books.trash_bytes = 0;
        std::mem::take(&mut self.books.trash)
    }

    /// Bytes of large values that were deleted and not taken yet, roughly.
    pub(crate) fn trash(&self) -> usize {
        self.books.trash_bytes
    }

    /// Whether a MiB more is held than when the limits were last looked at.
    pub(crate) fn has_grown(&mut self) -> bool {
        let held = self.books.held() + self.books.trash_bytes;
        // What was freed since may grow again before it counts.
        self.books.looked_at = self.books.looked_at.min(held);
        held > self.books.looked_at + GROWN_BYTES
    }

    /// Notes that the limits were looked at.
    pub(crate) fn look_at(&mut self) {
        self.books.looked_at = self.books.held() + self.books.trash_bytes;
    }

    fn segment_index(&self, place: u64) -> usize {
        let index = place.checked_shr(64 - u32::from(self.depth)).unwrap_or(0);
        self.directory[index as usize] as usize
    }

    /// Whether the store has to be asked before a command that names `key`.
    pub(crate) fn is_missing(&self, key: &[u8]) -> bool {
        if self.books.residency == Residency::Complete {
            return false;
        }
        let place = self.hasher.place(key);
        self.segments[self.segment_index(place)].get(place, key).is_none()
    }

    /// The value of `key` if it is in memory, expired or not; `Some(None)` when
    /// it is known to be gone.
    pub(crate) fn known(&self, key: &[u8]) -> Option<Option<&Value>> {
        let place = self.hasher.place(key);
        let entry = self.segments[self.segment_index(place)].get(place, key)?;
        Some(entry.value.as_ref())
    }

    /// The places that `reach` wants of a value in parts and that are neither in
    /// memory nor among what was `fetched`.
    pub(crate) fn gap(&self, fetched: &Parts, head: &Head, reach: Reach) -> Option<Gap> {
        self.parts.gap(fetched, head.id, reach)
    }

    /// The place of an item of this name in a value in parts.
    pub(crate) fn place(&self, name: &[u8]) -> u64 {
        self.hasher.place(name)
    }

    /// Takes in a part that was fetched from the store, unless memory knows
    /// better already; see [`Parts::admit`].
    pub(crate) fn admit_part(&mut self, id: ValueId, part: StoredPart, wanted: bool) {
        self.books.memory += self.parts.admit(id, part, wanted);
    }

    /// Takes in a key that was fetched from the store, unless memory knows
    /// better already.
    pub(crate) fn admit(&mut self, key: &[u8], value: Value, expire_at: u64) {
        let place = self.hasher.place(key);
        self.make_room(place);
        let index = self.segment_index(place);
        let segment = &mut self.segments[index];
        if segment.get(place, key).is_some() {
            return;
        }
        let entry = Entry::stored(key, value, expire_at);
        self.books.memory += entry.memory();
        let hasher = &self.hasher;
        let room = segment.room();
        segment.insert(place, entry, |key| hasher.place(key));
        self.books.resized(room, segment.room());
    }

    /// The live entry of `key`. An expired one is removed on the way.
    pub(crate) fn slot(&mut self, key: &[u8], now: u64) -> Option<Slot<'_>> {
        let hash = self.hasher.hash(key);
        let index = self.segment_index(hash.place());
        let Self { hasher, segments, parts, books, .. } = self;
        let segment = &mut segments[index];
        books.asked = books.asked.wrapping_add(1);
        // Of a key that is not there it is not known whether it ever was.
        let missed = segment.header.removed;
        let Some((entry, header)) = segment.find(hash.place(), key) else {
            books.observed = books.observed.max(missed).max(books.moved);
            return None;
        };
        let mut slot = Slot { entry, header, books, hash, parts, hasher };
        let found = slot.entry.get_mut();
        let version = found.version(slot.books.latest);
        slot.books.observed = slot.books.observed.max(version).max(slot.books.moved);
        found.value.as_ref()?;
        if found.is_expired(now) {
            slot.books.expired += 1;
            slot.remove();
            return None;
        }
        found.set_recent();
        slot.books.found = slot.books.found.wrapping_add(1);
        Some(slot)
    }

    /// The live value of `key`, for reading.
    pub(crate) fn get(&mut self, key: &[u8], now: u64) -> Option<&Value> {
        self.slot(key, now).map(Slot::into_value)
    }

    /// Sets `key` to `value`, whatever it held; `expire_at` is Unix time in
    /// milliseconds, 0 for never.
    pub(crate) fn set(&mut self, key: &[u8], value: Value, expire_at: u64) {
        let hash = self.hasher.hash(key);
        self.make_room(hash.place());
        let index = self.segment_index(hash.place());
        let Self { hasher, segments, parts, books, .. } = self;
        let mut value = value;
        if let Value::Items(items) = &value
            && parts.is_too_large(items)
        {
            let (head, memory) = parts.divide(items, |name| hasher.place(name), books.epoch);
            books.memory += memory;
            value = Value::Parts(Box::new(head));
        }
        let mut new = false;
        let room = segments[index].room();
        let (mut entry, header) = segments[index].find_or_insert(
            hash.place(),
            key,
            |key| hasher.place(key),
            || {
                new = true;
                let entry = Entry::new(key);
                books.memory += entry.memory();
                entry
            },
        );
        let entry = entry.get_mut();
        books.changing(entry, header, hash);
        books.memory -= entry.memory();
        match entry.value.replace(value) {
            Some(old) => books.discard(old),
            None => {
                books.len += 1;
                books.gone -= usize::from(!new);
            }
        }
        books.memory += entry.memory();
        entry.expire_at = expire_at;
        entry.set_recent();
        header.note(entry);
        books.resized(room, segments[index].room());
    }

    /// Splits the segment at `place` while one more entry would overfill it.
    fn make_room(&mut self, place: u64) {
        loop {
            let index = self.segment_index(place);
            if self.segments[index].len() < SPLIT_AT || self.segments[index].header.depth == 40 {
                return;
            }
            if self.segments[index].header.depth == self.depth {
                self.directory = self.directory.iter().flat_map(|&index| [index, index]).collect();
                self.depth += 1;
            }
            let hasher = &self.hasher;
            let room = self.segments[index].room();
            let upper = self.segments[index].split(|key| hasher.place(key));
            self.books.resized(room, self.segments[index].room() + upper.room());
            let depth = upper.header.depth;
            let new = self.segments.len() as u32;
            self.segments.push(upper);
            // The directory slots of the old segment are contiguous: the upper
            // half of them now leads to the new one.
            let span = 1usize << (self.depth - depth);
            let shared = place.checked_shr(65 - u32::from(depth)).unwrap_or(0) as usize;
            let start = (shared * 2 + 1) * span;
            self.directory[start..start + span].fill(new);
        }
    }

    // ---- WATCH ----

    /// Has `flag` raised when `key` next changes.
    pub(crate) fn watch(&mut self, key: &[u8], flag: Arc<AtomicBool>) {
        self.books.watchers.entry(key.into()).or_default().push(flag);
    }

    /// Forgets that `flag` waits for `key`.
    pub(crate) fn unwatch(&mut self, key: &[u8], flag: &Arc<AtomicBool>) {
        if let Some(flags) = self.books.watchers.get_mut(key) {
            flags.retain(|other| !Arc::ptr_eq(other, flag));
            if flags.is_empty() {
                self.books.watchers.remove(key);
            }
        }
    }

    /// The keys that somebody watches.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &[u8]> {
        self.books.watchers.keys().map(|key| &**key)
    }

    /// Hands over the watchers to the keyspace that takes this one's place,
    /// raising the flag of those whose key may have existed.
    pub(crate) fn hand_over_watchers(&mut self, to: &mut Self) {
        for (key, flags) in std::mem::take(&mut self.books.watchers) {
            let place = self.hasher.place(&key);
            let known = self.segments[self.segment_index(place)].get(place, &key);
            let absent = match known {
                Some(entry) => entry.value.is_none(),
                None => self.books.residency == Residency::Complete,
            };
            if absent {
                to.books.watchers.insert(key, flags);
            } else {
                flags.iter().for_each(|flag| flag.store(true, Ordering::Relaxed));
            }
        }
    }

    // ---- Scanning ----

    /// Keys in the order of their hash's place, from `from` on.
    ///
    /// Goes on segment by segment until it has `count` keys or has reached the
    /// end; says up to which place (inclusive) the list is complete. `None` in
    /// place of the kind: the key is known to be gone.
    pub(crate) fn list(&self, from: u64, count: usize, now: u64) -> (Vec<ListedKey<'_>>, u64) {
        let mut found = Vec::new();
        let mut place = from;
        loop {
            let segment = &self.segments[self.segment_index(place)];
            let last = place | low_bits(segment.header.depth);
            let start = found.len();
            for entry in segment.iter() {
                let place = self.hasher.place(&entry.key);
                if place >= from {
                    let live = entry.value.as_ref().filter(|_| !entry.is_expired(now));
                    let kind = live.map(Value::kind);
                    found.push(ListedKey { place, key: &entry.key, kind });
                }
            }
            found[start..].sort_unstable_by_key(|listed| listed.place);
            if found.len() >= count || last == u64::MAX {
                return (found, last);
            }
            place = last + 1;
        }
    }
}

/// The bits of a place below a segment's `depth` upper ones.
fn low_bits(depth: u8) -> u64 {
    u64::MAX.checked_shr(u32::from(depth)).unwrap_or(0)
}

/// A key as [`Keyspace::list`] finds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListedKey<'a> {
    /// The place of the key's hash.
    pub(crate) place: u64,
    /// The key.
    pub(crate) key: &'a [u8],
    /// The type of its value; `None` when the key is gone.
    pub(crate) kind: Option<Kind>,
}

#[cfg(test)]
mod tests;
