//! Background work on a keyspace, a segment at a time: expiry, eviction,
//! checkpoints.

use super::{
    super::{
        Part, Value, ValueId,
        parts::Epochs,
        segment::{Entry, Header, Removed},
    },
    Keyspace,
    books::{Image, Images, Residency, Snapshot, bury},
    low_bits,
};

/// What a checkpoint does under one lock is counted in entries looked at: so
/// many more are the copying of one, and looking at a segment without changes.
const COPYING: usize = 32;
const PASSING: usize = 4;

/// Parts that an eviction looks at instead of one segment, which has some 300
/// keys: freeing a part frees much more.
const PARTS_OF_A_SEGMENT: usize = 64;

/// Parts have so many more bytes than keys.
const KEYS_OF_A_PART: usize = 4;

impl Keyspace {
    /// Removes the expired keys of up to `segments` segments; returns whether
    /// the round through all segments is complete.
    ///
    /// What is removed is added to `swept`, to be dropped outside the lock.
    pub(crate) fn sweep_expired(&mut self, now: u64, segments: usize, swept: &mut Removed) -> bool {
        let mut visited = 0;
        while self.sweep_hand < self.segments.len() {
            let index = self.sweep_hand;
            self.sweep_hand += 1;
            let segment = &self.segments[index];
            if segment.header.next_expiry <= now || segment.is_sparse() {
                self.sweep_segment(index, now, swept);
                visited += 1;
                if visited >= segments {
                    return false;
                }
            }
        }
        self.sweep_hand = 0;
        true
    }

    /// The earliest time at which a key in memory can expire.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        let next = self.segments.iter().map(|segment| segment.header.next_expiry).min();
        next.filter(|&next| next != u64::MAX)
    }

    fn sweep_segment(&mut self, index: usize, now: u64, swept: &mut Removed) {
        let Self { hasher, segments, books, .. } = self;
        let segment = &mut segments[index];
        let mut header = Header { next_expiry: u64::MAX, ..segment.header };
        let room = segment.room();
        segment.drain_if(
            |key| hasher.place(key),
            |entry| {
                if entry.value.is_some() && entry.is_expired(now) {
                    books.expired += 1;
                    let hash = hasher.hash(&entry.key);
                    bury(entry, &mut header, books, hash)
                } else {
                    header.note(entry);
                    false
                }
            },
            swept,
        );
        books.resized(room, segment.room());
        segment.header = header;
    }

    /// Notes that a key which is only in the store has expired; `value` is what
    /// it holds, or anything when that is not in parts.
    pub(crate) fn expire_cold(&mut self, key: &[u8], value: Value) {
        if self.is_missing(key) {
            self.admit(key, value, 1);
            self.slot(key, u64::MAX);
        }
    }

    // ---- Values in parts that are no more ----

    /// Takes up to `at_most` parts of dead values out of memory, to be dropped
    /// outside the lock; none when there are none that no checkpoint wants.
    pub(crate) fn take_dead(&mut self, at_most: usize) -> Vec<Part> {
        let wanted_until = self.books.snapshot.as_ref().map_or(u32::MAX, |snapshot| snapshot.epoch);
        let mut taken = Vec::new();
        let dead: Vec<ValueId> = {
            let dead = self.books.dead.iter();
            dead.filter(|&(_, &epoch)| epoch <= wanted_until).map(|(&id, _)| id).collect()
        };
        for id in dead {
            let left = at_most - taken.len();
            let parts = self.parts.take_out(id, left);
            if parts.len() < left {
                self.books.dead.remove(&id);
            }
            taken.extend(parts);
            if taken.len() == at_most {
                break;
            }
        }
        self.books.memory -= taken.iter().map(Part::memory).sum::<usize>();
        taken
    }

    /// The dead values that the store has to be told of.
    pub(crate) fn take_dropped(&mut self) -> Vec<ValueId> {
        std::mem::take(&mut self.books.dropped)
    }

    /// Gives back what [`Keyspace::take_dropped`] took.
    pub(crate) fn put_back_dropped(&mut self, dropped: Vec<ValueId>) {
        self.books.dropped.extend(dropped);
    }

    /// Drops clean keys that were not used since the last visit, and the traces
    /// of deleted keys, from up to `segments` segments.
    pub(crate) fn evict(&mut self, segments: usize) {
        self.drop_clean(segments, |entry| !entry.take_recent());
        let visits = segments.saturating_mul(PARTS_OF_A_SEGMENT);
        let (freed, evicted) = self.parts.evict(visits, self.books.committed);
        self.books.memory -= freed;
        if evicted > 0 {
            self.books.residency = Residency::Partial;
        }
    }

    /// Drops the traces of deleted keys that the store has forgotten too, from
    /// up to `segments` segments; returns whether there are more.
    pub(crate) fn forget_gone(&mut self, segments: usize) -> bool {
        if self.books.gone > 0 {
            self.drop_clean(segments, |_| false);
        }
        self.books.gone > 0
    }

    /// Visits segments and drops what the store has in the same state: traces
    /// of deleted keys, and those of the others that `unused` says.
    fn drop_clean(&mut self, segments: usize, mut unused: impl FnMut(&mut Entry) -> bool) {
        let mut removed = Removed::default();
        for _ in 0..segments.min(self.segments.len()) {
            let Self { hasher, segments, books, evict_hand, .. } = self;
            *evict_hand = (*evict_hand + 1) % segments.len();
            let committed = books.committed;
            let (mut freed, mut evicted, mut forgotten) = (0, 0, 0);
            let segment = &mut segments[*evict_hand];
            let room = segment.room();
            segment.drain_if(
                |key| hasher.place(key),
                |entry| {
                    let clean = entry.epoch() <= committed && entry.is_in_store();
                    let gone = entry.value.is_none();
                    let out = (unused(entry) || gone) && clean;
                    freed += if out { entry.memory() } else { 0 };
                    evicted += u64::from(out && !gone);
                    forgotten += usize::from(out && gone);
                    out
                },
                &mut removed,
            );
            books.resized(room, segment.room());
            let values = removed.entries.drain(..).filter_map(|entry| entry.value);
            values.for_each(|value| books.put_out(value));
            books.memory -= freed;
            books.evicted += evicted;
            books.gone -= forgotten;
            if evicted > 0 {
                books.residency = Residency::Partial;
            }
        }
    }

    /// The number of visits of [`Keyspace::evict`] that go through everything,
    /// when each handles one segment.
    pub(crate) fn visits(&self) -> usize {
        self.segments.len().max(self.parts.held().div_ceil(PARTS_OF_A_SEGMENT))
    }

    // ---- Checkpoints ----

    /// Whether anything changed since the last committed checkpoint.
    pub(crate) fn is_dirty(&self) -> bool {
        self.books.changed > self.books.committed
    }

    /// Begins a checkpoint of the state of now.
    pub(crate) fn begin_snapshot(&mut self) {
        let epoch = self.books.epoch;
        self.books.snapshot = Some(Snapshot {
            epoch,
            hand: Some(0),
            left: None,
            parts_hand: Some((ValueId(0), 0)),
            images: Images::default(),
        });
        self.books.epoch += 1;
    }

    /// What changed next, as it was when the checkpoint began: some keys or some
    /// parts. `None` when there is no more.
    ///
    /// Takes about as long as copying `at_least` keys, however many have changed:
    /// a part of a segment is enough. Entries are taken from the last one down,
    /// so what a removal moves to another position was taken before, and a split
    /// leaves none of the others behind that position. Some are taken twice, as
    /// the same.
    pub(crate) fn next_images(&mut self, at_least: usize) -> Option<Images> {
        let snapshot = self.books.snapshot.as_mut()?;
        let mut images = std::mem::take(&mut snapshot.images);
        let mut work = images.keys.len() * COPYING;
        while let Some(hand) = snapshot.hand {
            let index = hand.checked_shr(64 - u32::from(self.depth)).unwrap_or(0);
            let segment = &mut self.segments[self.directory[index as usize] as usize];
            let last = hand | low_bits(segment.header.depth);
            if segment.header.epoch > self.books.committed {
                let mut left = snapshot.left.map_or(segment.len(), |left| left.min(segment.len()));
                while left > 0 {
                    if work >= at_least * COPYING {
                        snapshot.left = Some(left);
                        return Some(images);
                    }
                    left -= 1;
                    work += 1;
                    let entry = segment.at_mut(left);
                    if entry.epoch() > self.books.committed && entry.epoch() <= snapshot.epoch {
                        images.keys.push(Image::of(entry, self.hasher.hash(&entry.key)));
                        entry.set_in_store();
                        work += COPYING;
                    }
                }
            }
            snapshot.left = None;
            snapshot.hand = last.checked_add(1);
            work += PASSING;
            if work >= at_least * COPYING {
                return Some(images);
            }
        }
        if let Some(hand) = snapshot.parts_hand {
            let epochs = Epochs(self.books.committed, snapshot.epoch);
            let dead = &self.books.dead;
            // A value that was dead when the checkpoint began has nothing to save.
            let is_dead = |id| dead.get(&id).is_some_and(|&epoch| epoch <= epochs.1);
            let at_least = at_least / KEYS_OF_A_PART;
            snapshot.parts_hand =
                self.parts.images(hand, epochs, is_dead, at_least, &mut images.parts);
            return Some(images);
        }
        let is_empty = images.keys.is_empty() && images.parts.is_empty();
        (!is_empty).then_some(images)
    }

    /// Whether a checkpoint is being made of it.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.books.snapshot.is_some()
    }

    /// Ends a checkpoint: with `committed`, the store now has the state at its
    /// beginning; without, everything is as changed as before.
    pub(crate) fn end_snapshot(&mut self, committed: bool) {
        if let Some(snapshot) = self.books.snapshot.take()
            && committed
        {
            self.books.committed = snapshot.epoch;
        }
    }
}
