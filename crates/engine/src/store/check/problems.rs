//! [`Problems`]: what is wrong, in bounded room.

use std::collections::BTreeMap;
use std::fmt::Display;

/// Problems of one kind that are told in words. All are counted.
const TOLD_MAX: u64 = 20;

/// The first problems of each kind in words, and how many there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems {
    told: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

impl Problems {
    /// Something is wrong at a place.
    pub(super) fn at(&mut self, place: impl Display, what: &'static str) {
        self.add(what, format_args!("{place}: {what}"));
    }

    /// A problem of the kind `what`. Its text names no keys and shows no values.
    pub(super) fn add(&mut self, what: &'static str, text: impl Display) {
        let count = self.counts.entry(what).or_insert(0);
        *count += 1;
        if *count <= TOLD_MAX {
            self.told.push(text.to_string());
        }
    }

    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// A sentence for each of the first ones, with the place.
    pub(crate) fn told(&self) -> &[String] {
        &self.told
    }

    /// How many more there are of a kind, where not all are told.
    pub(crate) fn untold(&self) -> impl Iterator<Item = (u64, &'static str)> {
        let more = self.counts.iter().map(|(&what, &count)| (count.saturating_sub(TOLD_MAX), what));
        more.filter(|&(count, _)| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_are_told_and_all_are_counted() {
        let mut problems = Problems::default();
        for number in 0..1000 {
            problems.at(format_args!("record {number}"), "it is gone");
        }
        problems.at("record 7", "it is upside down");
        assert_eq!(problems.total(), 1001);
        assert_eq!(problems.told().len(), TOLD_MAX as usize + 1);
        assert_eq!(problems.told()[1], "record 1: it is gone");
        assert_eq!(problems.told().last().unwrap(), "record 7: it is upside down");
        assert_eq!(problems.untold().collect::<Vec<_>>(), [(1000 - TOLD_MAX, "it is gone")]);
    }
}
