//! Values in parts: what is too large to be kept, stored and dropped as one.
//!
//! Every item of such a value has a *place*, a number in which its order lies
//! (for a field, the hash of its name). A part is a small value of the same
//! type that holds the items of a range of places. It has an epoch of its own
//! and is dropped from memory and read back on its own, so what a command
//! costs does not depend on the size of the value:
//!
//! ```text
//! key ─► head: identity, number of items
//! (identity, 0)      part: items of places 0 to 41
//! (identity, 42)     nothing lies from 42 to 99: no record in the store
//! (identity, 100)    part: items of places 100 to the last
//! ```
//!
//! The parts of a value cover all places without a gap; a part that is not
//! in memory may be in the store. Deleting the key drops the
//! identity, which never comes again; the parts are removed in the background.

mod admission;
mod walk;

use std::{cell::Cell, collections::BTreeMap};

pub(super) use self::walk::Epochs;
pub(crate) use self::{
    admission::{Gap, Reach, StoredPart},
    walk::PartImage,
};
use crate::types::{Collection, Kind, Typed};

/// A part of more bytes is cut in two. With what the store puts around it, it
/// fits into half a page of 4 KiB, and a page of the store holds two.
pub(crate) const PART_BYTES: usize = 1920;

/// A value of more bytes than so many parts have is cut.
const PARTS_OF_A_WHOLE: usize = 8;

/// The name of a value in parts in its keyspace: of its records in the store
/// too. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ValueId(pub(crate) u64);

/// What a key holds of a value that is in parts.
#[derive(Debug)]
pub(crate) struct Head {
    /// Whose parts they are.
    pub(crate) id: ValueId,
    /// The type of the value.
    pub(crate) kind: Kind,
    /// The number of items.
    pub(crate) len: u64,
    /// Bytes of their stored form, roughly.
    pub(crate) bytes: u64,
    /// Whether it has, or once had, many items or a long one as `OBJECT
    /// ENCODING` means it.
    pub(crate) large: bool,
}

/// A command met a part that was not brought into memory for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absent;

/// The items of a range of places, from the one it is filed under.
#[derive(Debug)]
pub(crate) struct Part {
    /// The last place, inclusive.
    pub(super) until: u64,
    /// Of the same type; `None` when nothing lies there.
    pub(super) items: Option<Collection>,
    /// The checkpoint epoch in which it last changed.
    pub(super) epoch: u32,
    /// Used since the eviction hand last came by.
    pub(super) recent: Cell<bool>,
}

/// Where a part lies: its value, and its first place.
pub(super) type PartKey = (ValueId, u64);

/// The parts of all values of a keyspace, or those of them that are in memory.
#[derive(Debug)]
pub(crate) struct Parts {
    held: BTreeMap<PartKey, Part>,
    /// Where the next eviction starts.
    evict_hand: PartKey,
    /// The latest epoch in which one changed.
    changed: u32,
    /// The next value to be cut gets this identity.
    next_id: u64,
    /// Bytes beyond which a part is cut in two.
    part_bytes: usize,
}

/// What changed in a value when one of its parts did.
#[derive(Debug)]
pub(super) struct Edited<R> {
    /// What the change answered.
    pub(super) result: R,
    /// Items more.
    pub(super) items: i64,
    /// Bytes of the stored form more.
    pub(super) bytes: i64,
    /// The part has a long item.
    pub(super) large: bool,
    /// Bytes of memory more.
    pub(super) memory: i64,
}

impl Head {
    pub(super) fn new(id: ValueId, kind: Kind) -> Self {
        Self { id, kind, len: 0, bytes: 0, large: false }
    }

    /// Takes note of what changed in a part.
    pub(super) fn note<T: Typed, R>(&mut self, edited: &Edited<R>) {
        self.len = self.len.saturating_add_signed(edited.items);
        self.bytes = self.bytes.saturating_add_signed(edited.bytes);
        self.large |= edited.large || T::is_large_at(self.len as usize);
    }

    /// Appends the stored form: four numbers.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.id.0, self.len, self.bytes, u64::from(self.large)] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(super) fn decode(kind: Kind, bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let [id, len, bytes, large] = *numbers else { return None };
        let [id, len, bytes, large] = [id, len, bytes, large].map(u64::from_le_bytes);
        Some(Self { id: ValueId(id), kind, len, bytes, large: large != 0 })
    }
}

impl Part {
    /// Bytes this part takes, roughly: its place in the tree at the usual load,
    /// and what it holds.
    pub(super) fn memory(&self) -> usize {
        const SLOT: usize = (size_of::<PartKey>() + size_of::<Part>()) * 3 / 2;
        SLOT + self.items.as_ref().map_or(0, Collection::memory)
    }

    fn items(&self) -> usize {
        self.items.as_ref().map_or(0, Collection::len)
    }

    fn bytes(&self) -> usize {
        self.items.as_ref().map_or(0, Collection::bytes)
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            evict_hand: (ValueId(0), 0),
            changed: 0,
            next_id: 1,
            part_bytes: PART_BYTES,
        }
    }
}

impl Parts {
    /// The next identity to be given.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Goes on where the store has stopped.
    pub(super) fn set_next_id(&mut self, next_id: u64) {
        self.next_id = next_id;
    }

    pub(super) fn part_bytes(&self) -> usize {
        self.part_bytes
    }

    pub(super) fn set_part_bytes(&mut self, bytes: usize) {
        self.part_bytes = bytes;
    }

    /// Whether a value is too large to be one record.
    pub(super) fn is_too_large(&self, items: &Collection) -> bool {
        items.is_to_be_cut(self.part_bytes.saturating_mul(PARTS_OF_A_WHOLE))
    }

    /// Cuts a value into parts; returns its head, and the bytes of memory that
    /// the parts take.
    pub(super) fn divide(
        &mut self,
        items: &Collection,
        place_of: impl Fn(&[u8]) -> u64,
        epoch: u32,
    ) -> (Head, usize) {
        let mut head = Head::new(ValueId(self.next_id), items.kind());
        self.next_id += 1;
        self.changed = epoch;
        head.len = items.len() as u64;
        head.large = items.is_large();
        // Full ones would have to be cut again soon.
        let pieces = items.cut(place_of, self.part_bytes / 3 * 2);
        let mut memory = 0;
        let mut until = u64::MAX;
        for (number, (place, items)) in pieces.into_iter().enumerate().rev() {
            let start = if number == 0 { 0 } else { place };
            head.bytes += items.bytes() as u64;
            let part = Part { until, items: Some(items), epoch, recent: Cell::new(true) };
            memory += part.memory();
            self.held.insert((head.id, start), part);
            until = start.wrapping_sub(1);
        }
        (head, memory)
    }

    /// The part at a place, with its first place.
    pub(super) fn at(&self, id: ValueId, place: u64) -> Option<(u64, &Part)> {
        let (&(found, start), part) = self.held.range(..=(id, place)).next_back()?;
        (found == id && part.until >= place).then_some((start, part))
    }

    /// The same, to be changed.
    pub(super) fn at_mut(&mut self, id: ValueId, place: u64) -> Option<(u64, &mut Part)> {
        let (&(found, start), part) = self.held.range_mut(..=(id, place)).next_back()?;
        (found == id && part.until >= place).then_some((start, part))
    }

    /// Changes the items at `place`, and cuts the part when it has become too
    /// large. `changing` is shown the part before, to save what a checkpoint
    /// wants of it.
    pub(super) fn edit<T: Typed, R>(
        &mut self,
        (id, place): PartKey,
        epoch: u32,
        place_of: impl Fn(&[u8]) -> u64,
        changing: impl FnOnce(PartKey, &Part),
        edit: impl FnOnce(&mut T) -> R,
    ) -> Result<Edited<R>, Absent> {
        let part_bytes = self.part_bytes;
        let (start, part) = self.at_mut(id, place).ok_or(Absent)?;
        changing((id, start), part);
        let before = (part.items() as i64, part.bytes() as i64, part.memory() as i64);
        part.epoch = epoch;
        part.recent.set(true);
        let items = part.items.get_or_insert_with(|| T::default().into());
        let result = T::of_mut(items).map(edit).ok_or(Absent)?;
        if part.items() == 0 {
            part.items = None;
        }
        let mut edited = Edited {
            result,
            items: part.items() as i64 - before.0,
            bytes: part.bytes() as i64 - before.1,
            large: part.items.as_ref().is_some_and(Collection::is_large),
            memory: part.memory() as i64 - before.2,
        };
        let too_large = part.items.as_ref().filter(|items| items.is_to_be_cut(part_bytes));
        if let Some(items) = too_large {
            let pieces = items.cut(place_of, items.bytes() / 2 + 1);
            edited.memory -= part.memory() as i64;
            let mut until = part.until;
            for (number, (place, items)) in pieces.into_iter().enumerate().rev() {
                let start = if number == 0 { start } else { place };
                let part = Part { until, items: Some(items), epoch, recent: Cell::new(true) };
                edited.memory += part.memory() as i64;
                self.held.insert((id, start), part);
                until = start.wrapping_sub(1);
            }
        }
        self.changed = epoch;
        Ok(edited)
    }
}

#[cfg(test)]
mod tests;
