//! Which parts a command needs, and how they come into memory.

use std::cell::Cell;

use super::{Part, Parts, ValueId};
use crate::types::Collection;

/// Which items of a value are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The first place.
    pub(crate) from: u64,
    /// So many items from there on, and at least what lies at the first place.
    pub(crate) items: usize,
    /// Whether to go on at the first place after the last, for as many as there
    /// are.
    pub(crate) wraps: bool,
}

/// Places whose part is not in memory, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gap {
    /// The first place.
    pub(crate) from: u64,
    /// How far it is worth reading.
    pub(crate) until: u64,
}

/// A part as the store has it.
#[derive(Debug)]
pub(crate) struct StoredPart {
    /// The first place.
    pub(crate) start: u64,
    /// The last place, inclusive.
    pub(crate) until: u64,
    /// `None`: nothing lies there, and the store has no record of it.
    pub(crate) items: Option<Collection>,
}

impl Reach {
    /// Every item.
    pub(crate) const ALL: Self = Self { from: 0, items: usize::MAX, wraps: false };

    /// What lies at one place.
    pub(crate) fn one(place: u64) -> Self {
        Self { from: place, items: 0, wraps: false }
    }
}

impl Parts {
    /// Takes in a part that was read from the store, unless memory knows
    /// better already. Returns the bytes of memory that it takes.
    ///
    /// What is not `wanted` for itself is the first to be dropped again: who
    /// goes through a whole value does not drive out what others use.
    pub(crate) fn admit(&mut self, id: ValueId, stored: StoredPart, wanted: bool) -> usize {
        let StoredPart { start, until, items } = stored;
        if items.is_none() {
            return self.admit_nothing(id, start, until);
        }
        // What memory holds of these places was made from this very part, and
        // covers all of it until the store has it too.
        let known = self.at(id, start).is_some()
            || self.held.range((id, start)..=(id, until)).next().is_some();
        if known {
            return 0;
        }
        let part = Part { until, items, epoch: 0, recent: Cell::new(wanted) };
        let memory = part.memory();
        self.held.insert((id, start), part);
        memory
    }

    /// Every part, as it was admitted, and whether it was wanted for itself.
    pub(crate) fn into_stored(self) -> impl Iterator<Item = (ValueId, StoredPart, bool)> {
        self.held.into_iter().map(|((id, start), part)| {
            let Part { until, items, recent, .. } = part;
            (id, StoredPart { start, until, items }, recent.get())
        })
    }

    /// Notes that nothing lies at these places, where memory knows of nothing:
    /// the store does not tell empty parts beside each other apart.
    fn admit_nothing(&mut self, id: ValueId, start: u64, until: u64) -> usize {
        let mut memory = 0;
        let mut place = Some(start);
        while let Some(from) = place.filter(|&place| place <= until) {
            let last = match self.at(id, from) {
                Some((_, part)) => part.until,
                None => {
                    let last = until.min(self.last_before_next(id, from));
                    let part =
                        Part { until: last, items: None, epoch: 0, recent: Cell::new(false) };
                    memory += part.memory();
                    self.held.insert((id, from), part);
                    last
                }
            };
            place = last.checked_add(1);
        }
        memory
    }

    /// The last place before the next part that is in memory.
    fn last_before_next(&self, id: ValueId, place: u64) -> u64 {
        let next = self.held.range((id, place)..=(id, u64::MAX)).next();
        next.map_or(u64::MAX, |((_, start), _)| start - 1)
    }

    /// The first places within reach that are neither in memory nor among what
    /// was `fetched`.
    pub(crate) fn gap(&self, fetched: &Self, id: ValueId, reach: Reach) -> Option<Gap> {
        let (gap, found) = self.gap_from(fetched, id, reach.from, reach.items);
        if gap.is_none() && reach.wraps && found < reach.items {
            return self.gap_from(fetched, id, 0, reach.items).0;
        }
        gap
    }

    /// As [`Parts::gap`], with the number of items that are there.
    fn gap_from(
        &self,
        fetched: &Self,
        id: ValueId,
        from: u64,
        items: usize,
    ) -> (Option<Gap>, usize) {
        let mut found = 0;
        let mut place = from;
        loop {
            let Some((start, part)) = self.at(id, place).or_else(|| fetched.at(id, place)) else {
                let until = if items == 0 { place } else { self.last_before_next(id, place) };
                return (Some(Gap { from: place, until }), found);
            };
            // Items before the first place do not count.
            found += if start < place { 0 } else { part.items() };
            match part.until.checked_add(1) {
                Some(next) if found < items => place = next,
                _ => return (None, found),
            }
        }
    }

    /// The items within reach, in the order of the parts, and up to which place
    /// they are complete. `None` when one of the parts is not in memory.
    ///
    /// A part that begins before the first place is given, but does not count.
    pub(in crate::memory) fn reach(
        &self,
        id: ValueId,
        from: u64,
        items: usize,
    ) -> Option<(Vec<&Collection>, u64)> {
        let mut values = Vec::new();
        let mut found = 0;
        let mut place = from;
        loop {
            let (start, part) = self.at(id, place)?;
            values.extend(&part.items);
            found += if start < place { 0 } else { part.items() };
            match part.until.checked_add(1) {
                Some(next) if found < items => place = next,
                _ => return Some((values, part.until)),
            }
        }
    }
}
