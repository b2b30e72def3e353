//! How long the log is: what a crash would have replayed.

use std::collections::VecDeque;

use super::Position;

/// Checkpoints that have begun and whose end is not known yet: one is written at a
/// time, and somebody may still be about to trim for the one before.
const MARKS: usize = 4;

/// Counts the bytes of frames, from when they are taken on.
pub(crate) struct Length {
    /// Bytes of all frames so far.
    bytes: u64,
    /// So many of them are not needed any more.
    trimmed: u64,
    /// Positions at which checkpoints began, with the bytes up to there.
    marks: VecDeque<(Position, u64)>,
}

impl Length {
    /// Of a log of `bytes`, all of which are needed.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { bytes, trimmed: 0, marks: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Remembers where a checkpoint begins: at the last frame, `position`.
    pub(crate) fn mark(&mut self, position: Position) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((position, self.bytes));
    }

    /// The frames up to `position` are not needed. Exact when it was marked, or is
    /// the last one; else as if it were the mark before.
    pub(crate) fn trim(&mut self, position: Position, last: Position) {
        while let Some((_, bytes)) = self.marks.pop_front_if(|mark| mark.0 <= position) {
            self.trimmed = bytes;
        }
        if position >= last {
            self.trimmed = self.bytes;
        }
    }

    /// Bytes that a crash would have replayed.
    pub(crate) fn since_trim(&self) -> u64 {
        self.bytes - self.trimmed
    }

    /// Bytes behind the beginning of the last checkpoint.
    pub(crate) fn since_mark(&self) -> u64 {
        self.bytes - self.marks.back().map_or(self.trimmed, |mark| mark.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_mark_is_left_after_the_trim() {
        let mut length = Length::new(300);
        length.add(100);
        length.mark(7);
        length.add(11);
        assert_eq!((length.since_trim(), length.since_mark()), (411, 11));
        length.trim(7, 8);
        assert_eq!((length.since_trim(), length.since_mark()), (11, 11));
        length.trim(8, 8);
        assert_eq!((length.since_trim(), length.since_mark()), (0, 0));
    }

    #[test]
    fn a_checkpoint_that_failed_leaves_a_mark_and_no_more() {
        let mut length = Length::new(0);
        for position in 1..=100 {
            length.add(10);
            length.mark(position);
        }
        assert!(length.marks.len() <= MARKS);
        assert_eq!((length.since_trim(), length.since_mark()), (1000, 0));
        length.add(5);
        length.trim(100, 101);
        assert_eq!(length.since_trim(), 5);
    }

    #[test]
    fn a_position_that_nobody_marked_frees_what_was_marked_before() {
        let mut length = Length::new(0);
        length.add(10);
        length.mark(1);
        length.add(10);
        length.trim(2, 3);
        assert_eq!(length.since_trim(), 10);
    }
}
