//! Background work on parts: eviction, checkpoints, and the end of a value.

use std::ops::Bound;

use super::{Part, PartKey, Parts, ValueId};

/// Parts looked at under one lock when none is wanted.
const PASS_AT_MOST: usize = 4096;

/// The state of a part at a checkpoint's position.
#[derive(Debug)]
pub(crate) struct PartImage {
    /// Whose part it is.
    pub(crate) id: ValueId,
    /// The first place.
    pub(crate) start: u64,
    /// The last place, inclusive.
    pub(crate) until: u64,
    /// The tag and the stored form of the items; `None` when there are none,
    /// and so no record.
    pub(crate) items: Option<(u8, Vec<u8>)>,
}

impl PartImage {
    fn of((id, start): PartKey, part: &Part) -> Self {
        let items = part.items.as_ref().map(|items| {
            let mut payload = Vec::with_capacity(items.bytes() + 1);
            items.encode(&mut payload);
            (items.kind() as u8, payload)
        });
        Self { id, start, until: part.until, items }
    }

    /// The image of a part that is filed under `key`, if it changed in one of
    /// the `epochs` and is not before `hand`.
    pub(in crate::memory) fn wanted(
        key: PartKey,
        part: &Part,
        epochs: Epochs,
        hand: PartKey,
    ) -> Option<Self> {
        (epochs.contain(part.epoch) && key >= hand).then(|| Self::of(key, part))
    }
}

/// The epochs whose changes a checkpoint wants: those after the first, up to
/// the second.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Epochs(pub(in crate::memory) u32, pub(in crate::memory) u32);

impl Epochs {
    pub(in crate::memory) fn contain(self, epoch: u32) -> bool {
        epoch > self.0 && epoch <= self.1
    }
}

impl Parts {
    /// Drops parts that the store has in the same state and that were not used
    /// since the last visit, among the next `visits` ones; returns the bytes of
    /// memory that are free, and how many parts went.
    pub(in crate::memory) fn evict(&mut self, visits: usize, committed: u32) -> (usize, u64) {
        let mut out = Vec::new();
        let mut last = None;
        let ahead = (Bound::Excluded(self.evict_hand), Bound::Unbounded);
        for (&key, part) in self.held.range(ahead).take(visits) {
            last = Some(key);
            if !part.recent.replace(false) && part.epoch <= committed {
                out.push(key);
            }
        }
        // At the end, the next visit begins anew.
        self.evict_hand = last.unwrap_or((ValueId(0), 0));
        let mut freed = 0;
        for key in &out {
            freed += self.held.remove(key).map_or(0, |part| part.memory());
        }
        (freed, out.len() as u64)
    }

    /// The number of parts in memory.
    pub(in crate::memory) fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes out up to `at_most` parts of a value; fewer mean that there are no
    /// more.
    pub(in crate::memory) fn take_out(&mut self, id: ValueId, at_most: usize) -> Vec<Part> {
        let of_value = self.held.range((id, 0)..=(id, u64::MAX));
        let keys: Vec<_> = of_value.map(|(&key, _)| key).take(at_most).collect();
        keys.iter().filter_map(|key| self.held.remove(key)).collect()
    }

    /// Goes on through the parts from `hand`, and adds the images of those
    /// that changed in one of the `epochs`; returns where to go on.
    pub(in crate::memory) fn images(
        &self,
        hand: PartKey,
        epochs: Epochs,
        is_dead: impl Fn(ValueId) -> bool,
        at_least: usize,
        images: &mut Vec<PartImage>,
    ) -> Option<PartKey> {
        if self.changed <= epochs.0 {
            return None;
        }
        for (passed, (&key, part)) in self.held.range(hand..).enumerate() {
            if images.len() >= at_least || passed >= PASS_AT_MOST {
                return Some(key);
            }
            if epochs.contain(part.epoch) && !is_dead(key.0) {
                images.push(PartImage::of(key, part));
            }
        }
        None
    }
}
