//! [`Histogram`]: how often a command took how long.

use std::time::Duration;

/// Each doubling is cut into so many parts: a time is told to within 6 %.
const PARTS: usize = 16;

/// The longest time that is told apart is 2 to the power of so many nanoseconds, some
/// 18 minutes.
const DOUBLINGS: usize = 40;

/// The shortest: about a microsecond, as in Redis.
const FIRST: usize = 10;

const BUCKETS: usize = (DOUBLINGS - FIRST) * PARTS + 1;

/// Counts of times, in buckets that grow with the time.
#[derive(Clone, Debug)]
pub(crate) struct Histogram(Box<[u32; BUCKETS]>);

impl Default for Histogram {
    fn default() -> Self {
        Self(Box::new([0; BUCKETS]))
    }
}

impl Histogram {
    /// Adds a time.
    pub(crate) fn add(&mut self, took: Duration) {
        let count = &mut self.0[bucket(took)];
        *count = count.saturating_add(1);
    }

    /// How many times were as short as so many microseconds, for each power of two of
    /// them that tells something new.
    pub(crate) fn by_doubling(&self) -> Vec<(u64, u64)> {
        let mut told = Vec::new();
        let mut sum = 0;
        let doublings = self.0[1..].chunks(PARTS);
        let counts =
            doublings.map(|parts| parts.iter().map(|&count| u64::from(count)).sum::<u64>());
        // The first bucket ends at 2^10 ns, one microsecond.
        for (power, count) in std::iter::once(u64::from(self.0[0])).chain(counts).enumerate() {
            sum += count;
            if count > 0 {
                told.push((1 << power, sum));
            }
        }
        told
    }

    /// The time in microseconds that `percent` of the times were no longer than.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let total: u64 = self.0.iter().map(|&count| u64::from(count)).sum();
        let wanted = (total as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (index, &count) in self.0.iter().enumerate() {
            sum += u64::from(count);
            if sum >= wanted {
                return longest(index);
            }
        }
        0.0
    }
}

/// The bucket of a time.
fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let doubling = nanos.checked_ilog2().unwrap_or(0) as usize;
    if doubling < FIRST {
        return 0;
    }
    let part = (nanos >> (doubling - PARTS.ilog2() as usize)) as usize - PARTS;
    (1 + (doubling - FIRST) * PARTS + part).min(BUCKETS - 1)
}

/// The end of a bucket, in microseconds.
fn longest(bucket: usize) -> f64 {
    let Some(index) = bucket.checked_sub(1) else { return 1.024 };
    let (doubling, part) = (FIRST + index / PARTS, index % PARTS);
    let part_nanos = (1_u64 << doubling) as f64 / PARTS as f64;
    part_nanos * (PARTS + part + 1) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_the_bucket_that_ends_after_it() {
        for nanos in [0, 1, 1023, 1024, 1025, 1087, 1088, 5_000, 1 << 20, (1 << 20) - 1, 1 << 39] {
            let index = bucket(Duration::from_nanos(nanos));
            let micros = nanos as f64 / 1000.0;
            assert!(micros < longest(index), "{nanos}");
            assert!(index == 0 || longest(index - 1) <= micros, "{nanos}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn counts_add_up_by_doubling() {
        let mut histogram = Histogram::default();
        for micros in [0, 3, 3, 700] {
            histogram.add(Duration::from_micros(micros));
        }
        assert_eq!(histogram.by_doubling(), [(1, 1), (4, 3), (1024, 4)]);
    }

    #[test]
    fn percentiles_are_told_within_six_percent() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|micros| histogram.add(Duration::from_micros(micros)));
        for (percent, micros) in [(50.0, 500.0), (99.0, 990.0), (99.9, 999.0)] {
            let told = histogram.percentile(percent);
            assert!((micros..micros * 1.07).contains(&told), "{percent}: {told}");
        }
        assert_eq!(Histogram::default().percentile(50.0), 0.0);
    }
}
