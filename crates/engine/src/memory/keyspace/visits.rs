//! Background work on a keyspace, a segment at a time: expiry, eviction,
//! checkpoints.

use super::{
    super::{
        Str, Value,
        segment::{Entry, Header, Removed},
    },
    Keyspace,
    books::{Image, Residency, Snapshot, bury},
    low_bits,
};

/// So many segments a checkpoint looks at under one lock when none has changed.
const PASS_AT_MOST: usize = 4096;

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
        segment.header = header;
    }

    /// Notes that a key which is only in the store has expired.
    pub(crate) fn expire_cold(&mut self, key: &[u8]) {
        if self.is_missing(key) {
            self.admit(key, Value::Str(Str::Int(0)), 1);
            self.slot(key, u64::MAX);
        }
    }

    /// Drops clean keys that were not used since the last visit, and the traces
    /// of deleted keys, from up to `segments` segments.
    pub(crate) fn evict(&mut self, segments: usize) {
        self.drop_clean(segments, |entry| !std::mem::take(&mut entry.recent));
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
            segments[*evict_hand].drain_if(
                |key| hasher.place(key),
                |entry| {
                    let clean = entry.epoch <= committed && entry.in_store;
                    let gone = entry.value.is_none();
                    let out = (unused(entry) || gone) && clean;
                    freed += if out { entry.memory() } else { 0 };
                    evicted += u64::from(out && !gone);
                    forgotten += usize::from(out && gone);
                    out
                },
                &mut removed,
            );
            let values = removed.entries.drain(..).filter_map(|entry| entry.value);
            values.for_each(|value| books.discard(value));
            books.memory -= freed;
            books.evicted += evicted;
            books.gone -= forgotten;
            if evicted > 0 {
                books.residency = Residency::Partial;
            }
        }
    }

    /// The number of segments; a visit handles one at a time.
    pub(crate) fn segments(&self) -> usize {
        self.segments.len()
    }

    // ---- Checkpoints ----

    /// Whether anything changed since the last committed checkpoint.
    pub(crate) fn is_dirty(&self) -> bool {
        self.books.changed > self.books.committed
    }

    /// Begins a checkpoint of the state of now.
    pub(crate) fn begin_snapshot(&mut self) {
        let epoch = self.books.epoch;
        self.books.snapshot = Some(Snapshot { epoch, hand: Some(0), images: Vec::new() });
        self.books.epoch += 1;
    }

    /// The next changed keys as they were when the checkpoint began, from a
    /// few segments; `None` when there are no more.
    pub(crate) fn next_images(&mut self, at_least: usize) -> Option<Vec<Image>> {
        let mut passed = 0;
        let snapshot = self.books.snapshot.as_mut()?;
        let mut images = std::mem::take(&mut snapshot.images);
        while let Some(hand) = snapshot.hand {
            let index = hand.checked_shr(64 - u32::from(self.depth)).unwrap_or(0);
            let segment = &mut self.segments[self.directory[index as usize] as usize];
            let last = hand | low_bits(segment.header.depth);
            if segment.header.epoch > self.books.committed {
                for entry in segment.iter_mut() {
                    if entry.epoch > self.books.committed && entry.epoch <= snapshot.epoch {
                        images.push(Image::of(entry, self.hasher.hash(&entry.key)));
                        entry.in_store = true;
                    }
                }
            }
            snapshot.hand = last.checked_add(1);
            passed += 1;
            if images.len() >= at_least || passed >= PASS_AT_MOST {
                return Some(images);
            }
        }
        (!images.is_empty()).then_some(images)
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
