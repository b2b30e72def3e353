//! [`Index`]: where in a segment the entry of a hash lies.
//!
//! Open addressing with linear probing over slots of two bytes, each of which
//! is a position and a tag that tells most other hashes apart. So an entry is
//! mostly found by one access to this memory and one to the entry's, and all of
//! a segment's index is 1 KiB.
//!
//! ```text
//! hash = ... | 7 bits tag | home, up to 9 bits        slot = tag | position
//! ```
//!
//! The upper bits of the hashes are the same in a whole segment and mean
//! nothing here.

use super::super::value::allocated;

/// Lower bits of a slot: the position.
const POSITION_BITS: u32 = 9;

/// The lower bits of a slot, all set.
const POSITION: u16 = (1 << POSITION_BITS) - 1;

/// A slot of no entry. No position is as high as its lower bits.
const FREE: u16 = u16::MAX;

/// The fewest slots, of which seven eighths can be used, rounded down.
const SLOTS_MIN: usize = 4;

/// Where in a segment the entry of a hash lies.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// None, or a power of two, at least one of which is free.
    slots: Box<[u16]>,
}

/// What the slot of an entry has besides the position.
fn tag(hash: u64) -> u16 {
    (hash as u16) & !POSITION
}

impl Index {
    /// An empty index with room for `entries`.
    pub(super) fn with_room(entries: usize) -> Self {
        if entries == 0 {
            return Self::default();
        }
        let slots = (entries * 8).div_ceil(7).next_power_of_two().max(SLOTS_MIN);
        Self { slots: vec![FREE; slots].into() }
    }

    /// How many entries it can have.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len() * 7 / 8
    }

    /// Bytes of the slots.
    pub(super) fn room(&self) -> usize {
        allocated(size_of_val(&*self.slots))
    }

    /// Forgets all entries.
    pub(super) fn clear(&mut self) {
        self.slots.fill(FREE);
    }

    /// The position of the entry with this hash that `is_it` says.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let slots = &*self.slots;
        let last = slots.len().checked_sub(1)?;
        let tag = tag(hash);
        let mut at = hash as usize & last;
        loop {
            let slot = slots[at];
            if slot & !POSITION == tag {
                if slot == FREE {
                    return None;
                }
                let position = usize::from(slot & POSITION);
                if is_it(position) {
                    return Some(position);
                }
            } else if slot == FREE {
                return None;
            }
            at = (at + 1) & last;
        }
    }

    /// Adds an entry that is not there. There has to be room for it.
    pub(super) fn insert(&mut self, hash: u64, position: usize) {
        let last = self.slots.len() - 1;
        let mut at = hash as usize & last;
        while self.slots[at] != FREE {
            at = (at + 1) & last;
        }
        self.slots[at] = tag(hash) | position as u16;
    }

    /// Notes that the entry of this hash moved.
    pub(super) fn relocate(&mut self, hash: u64, from: usize, to: usize) {
        if let Some(at) = self.slot_of(hash, from) {
            self.slots[at] = tag(hash) | to as u16;
        }
    }

    /// Takes out the entry of this hash. `hash_at` tells the hash of those that
    /// lie behind it, which move up: no slot is left that says only that one was
    /// there.
    pub(super) fn remove(&mut self, hash: u64, position: usize, hash_at: impl Fn(usize) -> u64) {
        let Some(mut hole) = self.slot_of(hash, position) else { return };
        let last = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & last;
            let slot = self.slots[at];
            if slot == FREE {
                break;
            }
            let home = hash_at(usize::from(slot & POSITION)) as usize & last;
            // Up to its home, and no further.
            if at.wrapping_sub(home) & last >= at.wrapping_sub(hole) & last {
                self.slots[hole] = slot;
                hole = at;
            }
        }
        self.slots[hole] = FREE;
    }

    fn slot_of(&self, hash: u64, position: usize) -> Option<usize> {
        let last = self.slots.len().checked_sub(1)?;
        let slot = tag(hash) | position as u16;
        let mut at = hash as usize & last;
        while self.slots[at] != slot {
            if self.slots[at] == FREE {
                return None;
            }
            at = (at + 1) & last;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_was_asked_and_not_much_more() {
        assert_eq!(Index::with_room(0).room(), 0);
        for entries in 1..=448 {
            let index = Index::with_room(entries);
            assert!(index.capacity() >= entries, "{entries}");
            assert!(index.capacity() < index.slots.len(), "one slot stays free");
            assert!(index.capacity() / 4 <= entries, "{entries} would be sparse at once");
        }
        assert_eq!(Index::with_room(448).room(), 1040);
    }

    #[test]
    fn every_tag_is_told_from_a_free_slot() {
        for tag in 0..128_u64 {
            let mut index = Index::with_room(448);
            // All of one home: the one after the last is looked at too.
            let hash = (tag << POSITION_BITS) | 511;
            assert_eq!(index.find(hash, |_| true), None, "{tag}");
            (0..448).for_each(|position| index.insert(hash, position));
            for wanted in [0, 1, 255, 447] {
                assert_eq!(index.find(hash, |found| found == wanted), Some(wanted), "{tag}");
            }
            assert_eq!(index.find(hash, |found| found == 448), None, "{tag}");
            index.clear();
            assert_eq!(index.find(hash, |_| true), None, "{tag}");
        }
    }

    #[test]
    fn what_lies_behind_a_removed_entry_is_still_found() {
        // Homes in clusters that run over the end, removed in every order.
        let hashes: Vec<u64> = [6, 6, 7, 6, 0, 7, 1].map(|home| home | (3 << 40)).to_vec();
        for first in 0..hashes.len() {
            let mut index = Index::with_room(hashes.len());
            assert_eq!(index.slots.len(), 8);
            hashes.iter().enumerate().for_each(|(position, &hash)| index.insert(hash, position));
            for step in 0..hashes.len() {
                let gone = (first + step * 3) % hashes.len();
                index.remove(hashes[gone], gone, |position| hashes[position]);
                for (position, &hash) in hashes.iter().enumerate() {
                    let found = index.find(hash, |found| found == position);
                    let is_gone = (0..=step).any(|step| (first + step * 3) % 7 == position);
                    assert_eq!(found, (!is_gone).then_some(position), "{first} {step}");
                }
            }
            assert!(index.slots.iter().all(|&slot| slot == FREE));
        }
    }
}
