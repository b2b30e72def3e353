//! Which segments exist and which of them are still needed.

use std::collections::VecDeque;

use super::Position;

/// The segments of a running log.
pub(crate) struct Shelf {
    /// In order; the last one is being written.
    live: VecDeque<Live>,
    /// Numbers of files to be written over.
    spares: Vec<u64>,
    spares_max: usize,
    /// Segments longer than this (they took a huge batch) make no spares.
    segment_bytes: u64,
    /// The last position that is not needed.
    trimmed: Position,
}

struct Live {
    number: u64,
    first: Position,
    file_bytes: u64,
}

/// A segment nobody needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) number: u64,
    /// Whether to keep the file as a spare.
    pub(crate) keep: bool,
}

impl Shelf {
    /// `live`: number and first position of each segment, in order. The frames
    /// up to `trimmed` are not needed.
    pub(crate) fn new(
        live: impl IntoIterator<Item = (u64, Position)>,
        spares: Vec<u64>,
        (spares_max, segment_bytes): (usize, u64),
        trimmed: Position,
    ) -> Self {
        let live =
            live.into_iter().map(|(number, first)| Live { number, first, file_bytes: 0 }).collect();
        Self { live, spares, spares_max, segment_bytes, trimmed }
    }

    pub(crate) fn take_spare(&mut self) -> Option<u64> {
        self.spares.pop()
    }

    pub(crate) fn add_spare(&mut self, number: u64) {
        self.spares.push(number);
    }

    /// A segment was started; the one before has a file of `file_bytes`.
    pub(crate) fn add_live(&mut self, number: u64, first: Position, file_bytes: u64) {
        if let Some(before) = self.live.back_mut() {
            before.file_bytes = file_bytes;
        }
        self.live.push_back(Live { number, first, file_bytes: 0 });
    }

    /// Frames up to `position` are not needed: the segments that hold no later
    /// one, oldest first, are the caller's to keep or remove.
    pub(crate) fn retire(&mut self, position: Position) -> Vec<Retired> {
        self.trimmed = self.trimmed.max(position);
        let mut retired = Vec::new();
        let mut room = self.spares_max.saturating_sub(self.spares.len());
        while let Some(next) = self.live.get(1)
            && next.first <= position.saturating_add(1)
            && let Some(oldest) = self.live.pop_front()
        {
            let keep = room > 0 && oldest.file_bytes <= self.segment_bytes.saturating_mul(2);
            room -= usize::from(keep);
            retired.push(Retired { number: oldest.number, keep });
        }
        retired
    }

    /// The last position that was declared not needed.
    pub(crate) fn trimmed(&self) -> Position {
        self.trimmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        Shelf::new([(1, 1)], Vec::new(), (2, 1000), 0)
    }

    #[test]
    fn only_segments_without_a_needed_frame_are_retired() {
        let mut shelf = shelf();
        shelf.add_live(2, 11, 1000);
        shelf.add_live(3, 21, 1000);
        assert_eq!(shelf.retire(9), []);
        assert_eq!(shelf.retire(10), [Retired { number: 1, keep: true }]);
        assert_eq!(shelf.retire(100), [Retired { number: 2, keep: true }]);
        assert_eq!(shelf.retire(100), []);
    }

    #[test]
    fn huge_segments_and_surplus_ones_are_not_kept() {
        let mut shelf = shelf();
        shelf.add_spare(90);
        for (number, file_bytes) in [(2, 2001), (3, 2000), (4, 1000)] {
            shelf.add_live(number, number * 10, file_bytes);
        }
        let kept: Vec<_> = shelf.retire(1000).iter().map(|retired| retired.keep).collect();
        assert_eq!(kept, [false, true, false]);
    }
}
