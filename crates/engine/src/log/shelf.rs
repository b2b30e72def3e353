//! Which segments exist and how much of the log is still needed.

use std::collections::VecDeque;

use super::Position;

/// How finely positions are related to bytes.
const MARK_BYTES: u64 = 256 * 1024;

/// The segments of a running log.
pub(crate) struct Shelf {
    /// In order; the last one is being written.
    live: VecDeque<Live>,
    /// Numbers of files to be written over.
    spares: Vec<u64>,
    spares_max: usize,
    /// Segments longer than this (they took a huge batch) make no spares.
    segment_bytes: u64,
    /// Bytes of frames so far, and how many were written up to some positions.
    written: u64,
    marks: VecDeque<(Position, u64)>,
    trimmed: (Position, u64),
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
    /// `live`: number and first position of each segment, in order. `replayed`
    /// bytes of frames were read behind `after`, up to `last`.
    pub(crate) fn new(
        live: impl IntoIterator<Item = (u64, Position)>,
        spares: Vec<u64>,
        (spares_max, segment_bytes): (usize, u64),
        (after, last, replayed): (Position, Position, u64),
    ) -> Self {
        let live =
            live.into_iter().map(|(number, first)| Live { number, first, file_bytes: 0 }).collect();
        let marks = VecDeque::from([(last, replayed)]);
        let trimmed = (after, 0);
        Self { live, spares, spares_max, segment_bytes, written: replayed, marks, trimmed }
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

    /// A batch of `bytes` that ends at `last` was written.
    pub(crate) fn wrote(&mut self, last: Position, bytes: u64) {
        self.written += bytes;
        // The newest mark follows the end until it is far from the one before.
        let before = self.marks.iter().rev().nth(1).map_or(self.trimmed.1, |mark| mark.1);
        match self.marks.back_mut() {
            Some(newest) if self.written - before <= MARK_BYTES => *newest = (last, self.written),
            _ => self.marks.push_back((last, self.written)),
        }
    }

    /// Bytes of frames behind the last trim.
    pub(crate) fn needed_bytes(&self) -> u64 {
        self.written - self.trimmed.1
    }

    /// Frames up to `position` are not needed: the segments that hold no later
    /// one, oldest first, are the caller's to keep or remove.
    pub(crate) fn retire(&mut self, position: Position) -> Vec<Retired> {
        while let Some(&mark) = self.marks.front()
            && mark.0 <= position
        {
            self.trimmed = mark;
            self.marks.pop_front();
        }
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

    /// The last position that was declared not needed, as far as it is marked.
    pub(crate) fn trimmed(&self) -> Position {
        self.trimmed.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        Shelf::new([(1, 1)], Vec::new(), (2, 1000), (0, 0, 0))
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

    #[test]
    fn needed_bytes_are_exact_at_the_end_and_near_it_before() {
        let mut shelf = shelf();
        for position in 1..=10_000 {
            shelf.wrote(position, 100);
        }
        assert_eq!(shelf.needed_bytes(), 1_000_000);
        assert!(shelf.marks.len() <= 5, "{} marks", shelf.marks.len());
        shelf.retire(5_000);
        let left = shelf.needed_bytes();
        assert!((500_000..=500_000 + MARK_BYTES).contains(&left), "{left}");
        shelf.retire(10_000);
        assert_eq!(shelf.needed_bytes(), 0);
        shelf.wrote(10_001, 7);
        assert_eq!(shelf.needed_bytes(), 7);
    }

    #[test]
    fn replayed_bytes_are_needed_until_they_are_trimmed() {
        let mut shelf = Shelf::new([(1, 1)], Vec::new(), (2, 1000), (5, 8, 300));
        assert_eq!((shelf.needed_bytes(), shelf.trimmed()), (300, 5));
        shelf.retire(8);
        assert_eq!((shelf.needed_bytes(), shelf.trimmed()), (0, 8));
    }
}
