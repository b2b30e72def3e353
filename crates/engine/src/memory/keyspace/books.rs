//! [`Books`]: what is counted and noted while the entries of a keyspace change.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    super::{
        Value,
        parts::{Epochs, Part, PartImage, PartKey, ValueId},
        segment::{Entry, Header},
    },
    KeyHash,
};

/// Values larger than this are dropped by the background thread.
const TRASH_FROM: usize = 64 * 1024;

/// The state of a key at a checkpoint's position.
#[derive(Debug)]
pub(crate) struct Image {
    /// The key's hash.
    pub(crate) hash: KeyHash,
    /// The key.
    pub(crate) key: Box<[u8]>,
    /// Unix time in milliseconds; 0 means never.
    pub(crate) expire_at: u64,
    /// The tag and the stored form of the value; `None` when the key was gone.
    pub(crate) value: Option<(u8, Vec<u8>)>,
}

/// What changed, as it was when a checkpoint began.
#[derive(Debug, Default)]
pub(crate) struct Images {
    /// Keys.
    pub(crate) keys: Vec<Image>,
    /// Parts of values.
    pub(crate) parts: Vec<PartImage>,
}

impl Images {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len() + self.parts.len()
    }

    /// Bytes of keys and of stored forms.
    pub(crate) fn bytes(&self) -> usize {
        let stored =
            |value: &Option<(u8, Vec<u8>)>| value.as_ref().map_or(0, |(_, form)| form.len());
        let keys = self.keys.iter().map(|image| image.key.len() + stored(&image.value));
        keys.chain(self.parts.iter().map(|image| stored(&image.items))).sum()
    }

    /// Adds others.
    pub(crate) fn extend(&mut self, others: Self) {
        self.keys.extend(others.keys);
        self.parts.extend(others.parts);
    }
}

impl Image {
    pub(super) fn of(entry: &Entry, hash: KeyHash) -> Self {
        let value = entry.value.as_ref().map(|value| {
            let mut payload = Vec::new();
            value.encode(&mut payload);
            (value.tag(), payload)
        });
        Self { hash, key: (*entry.key).into(), expire_at: entry.expire_at, value }
    }
}

/// A checkpoint in progress: it wants every key changed in an epoch up to
/// `epoch` as it was when the checkpoint began.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) epoch: u32,
    /// Keys whose hash's place is lower have been taken; `None`: all of them.
    pub(super) hand: Option<u64>,
    /// Of the segment at the hand, the entries from this position on have been
    /// taken, and perhaps others; `None`: none of them.
    pub(super) left: Option<usize>,
    /// The same for parts, which come after the keys.
    pub(super) parts_hand: Option<PartKey>,
    /// What changed before the hands reached it.
    pub(super) images: Images,
}

/// Which of the keys are in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Residency {
    /// All: a key that is not here does not exist.
    Complete,
    /// Some: a key that is not here may be in the store.
    Partial,
}

/// What is counted and noted while entries change.
#[derive(Debug)]
pub(super) struct Books {
    /// Changes of now belong to this epoch; a checkpoint begins the next.
    pub(super) epoch: u32,
    /// The latest epoch with a change in it.
    pub(super) changed: u32,
    /// The store holds the state at the end of this epoch.
    pub(super) committed: u32,
    pub(super) snapshot: Option<Snapshot>,
    /// Number of the frame that the running command's effects will be.
    pub(super) version: u64,
    /// The latest version that the running command has seen.
    pub(super) observed: u64,
    /// The version of the latest change of any key.
    pub(super) latest: u64,
    /// The version in which the keyspace came to its logical database.
    pub(super) moved: u64,
    /// Keys in memory and in the store together.
    pub(super) len: u64,
    /// Entries of deleted keys, kept until the store has forgotten them too.
    pub(super) gone: usize,
    /// Bytes of keys, values and parts in memory, roughly.
    pub(super) memory: usize,
    /// Bytes of the segments that the keys are in.
    pub(super) rooms: usize,
    /// Whoever watches a key, until it changes.
    pub(super) watchers: HashMap<Box<[u8]>, Vec<Arc<AtomicBool>>>,
    /// Values in parts that are no more, each with the epoch of its end: until
    /// none of their parts is in memory.
    pub(super) dead: BTreeMap<ValueId, u32>,
    /// Those of them that the store has not been told of.
    pub(super) dropped: Vec<ValueId>,
    /// Large values on their way out.
    pub(super) trash: Vec<Value>,
    /// Their bytes, roughly.
    pub(super) trash_bytes: usize,
    /// Bytes that were held when the limits were last looked at.
    pub(super) looked_at: usize,
    pub(super) residency: Residency,
    /// Keys that were removed because their time had come.
    pub(super) expired: u64,
    /// Clean keys that were dropped from memory.
    pub(super) evicted: u64,
    /// Keys that the running command asked for, and those of them that were there.
    pub(super) asked: u32,
    pub(super) found: u32,
    /// Keys that commands have read, and keys that they would have if there were any.
    pub(super) hits: u64,
    pub(super) misses: u64,
}

impl Books {
    pub(super) fn new() -> Self {
        Self {
            epoch: 1,
            changed: 0,
            committed: 0,
            snapshot: None,
            version: 0,
            observed: 0,
            latest: 0,
            moved: 0,
            len: 0,
            gone: 0,
            memory: 0,
            rooms: 0,
            watchers: HashMap::new(),
            dead: BTreeMap::new(),
            dropped: Vec::new(),
            trash: Vec::new(),
            trash_bytes: 0,
            looked_at: 0,
            residency: Residency::Complete,
            expired: 0,
            evicted: 0,
            asked: 0,
            found: 0,
            hits: 0,
            misses: 0,
        }
    }

    /// Bytes in memory, roughly.
    pub(super) fn held(&self) -> usize {
        self.memory + self.rooms
    }

    /// Notes that a segment which took `before` bytes takes `after` now.
    pub(super) fn resized(&mut self, before: usize, after: usize) {
        self.rooms = self.rooms + after - before;
    }

    /// Called before an entry changes: saves what a checkpoint still wants of
    /// it, and notes the change.
    pub(super) fn changing(&mut self, entry: &mut Entry, header: &mut Header, hash: KeyHash) {
        if let Some(snapshot) = &mut self.snapshot
            && entry.epoch() > self.committed
            && entry.epoch() <= snapshot.epoch
            && snapshot.hand.is_some_and(|hand| hash.place() >= hand)
        {
            snapshot.images.keys.push(Image::of(entry, hash));
            if entry.value.is_some() {
                entry.set_in_store();
            }
        }
        self.changed = self.epoch;
        entry.set_changed(self.version, self.epoch);
        self.latest = self.latest.max(self.version);
        header.epoch = self.epoch;
        self.touch(&entry.key);
    }

    /// Called before a part changes: saves what a checkpoint still wants of it.
    /// That it changed is noted in the part, and in its value's key.
    pub(super) fn changing_part(&mut self, key: PartKey, part: &Part) {
        if let Some(snapshot) = &mut self.snapshot
            && let Some(hand) = snapshot.parts_hand
        {
            let epochs = Epochs(self.committed, snapshot.epoch);
            snapshot.images.parts.extend(PartImage::wanted(key, part, epochs, hand));
        }
    }

    /// Tells those who watch `key` that it changed.
    pub(super) fn touch(&mut self, key: &[u8]) {
        if self.watchers.is_empty() {
            return;
        }
        for watcher in self.watchers.remove(key).into_iter().flatten() {
            watcher.store(true, Ordering::Relaxed);
        }
    }

    /// The end of a value: no key has it any more.
    pub(super) fn discard(&mut self, value: Value) {
        if let Value::Parts(head) = &value {
            self.dead.insert(head.id, self.epoch);
            self.dropped.push(head.id);
        }
        self.put_out(value);
    }

    /// Has the memory of a value freed, in the background when that takes long.
    pub(super) fn put_out(&mut self, value: Value) {
        if value.memory() >= TRASH_FROM {
            self.trash_bytes += value.memory();
            self.trash.push(value);
        }
    }
}

/// Deletes an entry's value; returns whether the entry itself can go, because
/// the store has nothing of it.
pub(super) fn bury(
    entry: &mut Entry,
    header: &mut Header,
    books: &mut Books,
    hash: KeyHash,
) -> bool {
    let (value, gone) = exhume(entry, header, books, hash);
    value.into_iter().for_each(|value| books.discard(value));
    gone
}

/// As [`bury`], and gives the value.
pub(super) fn exhume(
    entry: &mut Entry,
    header: &mut Header,
    books: &mut Books,
    hash: KeyHash,
) -> (Option<Value>, bool) {
    let (epoch, committed) = (entry.epoch(), books.committed);
    books.changing(entry, header, hash);
    books.memory -= entry.memory();
    let value = entry.value.take();
    books.len -= u64::from(value.is_some());
    entry.expire_at = 0;
    // A snapshot that has taken this entry already will store it.
    debug_assert!(entry.is_in_store() || epoch > committed);
    if entry.is_in_store() {
        books.memory += entry.memory();
        books.gone += 1;
    } else {
        // Whoever misses the key has seen this, and nothing else is left to say so.
        header.removed = header.removed.max(books.version);
    }
    (value, !entry.is_in_store())
}
