//! [`Counters`]: what the server did.

use std::time::{Duration, Instant};

/// The shortest time over which a rate is told.
const RATE_OVER: Duration = Duration::from_millis(100);

/// What the server did since it started, or since `CONFIG RESETSTAT`; what each
/// command did is in the [`Tally`](crate::tally::Tally).
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) connections: u64,
    /// Connections refused because there were too many.
    pub(crate) rejected: u64,
    /// Connections cut because they were idle.
    pub(crate) cut_idle: u64,
    /// Connections cut because they sent too much.
    pub(crate) cut_input: u64,
    /// Connections cut because they did not read.
    pub(crate) cut_output: u64,
    pub(crate) failed_logins: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// How often something was read from connections, and written to them.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Commands, bytes received and bytes sent in a second, lately.
    rates: [Rate; 3],
}

/// How fast something grows, lately.
#[derive(Clone, Copy, Debug)]
struct Rate {
    at: Instant,
    count: u64,
    last: f64,
}

impl Counters {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            connections: 0,
            rejected: 0,
            cut_idle: 0,
            cut_input: 0,
            cut_output: 0,
            failed_logins: 0,
            received: 0,
            sent: 0,
            reads: 0,
            writes: 0,
            rates: [Rate { at: now, count: 0, last: 0.0 }; 3],
        }
    }

    /// Commands, bytes received and bytes sent in a second, since somebody last asked.
    pub(crate) fn rates(&mut self, now: Instant, commands: u64) -> [f64; 3] {
        let counts = [commands, self.received, self.sent];
        for (rate, count) in self.rates.iter_mut().zip(counts) {
            rate.go_on(now, count);
        }
        self.rates.map(|rate| rate.last)
    }
}

impl Rate {
    fn go_on(&mut self, now: Instant, count: u64) {
        let over = now.saturating_duration_since(self.at);
        if over >= RATE_OVER {
            let grown = count.saturating_sub(self.count);
            *self = Self { at: now, count, last: grown as f64 / over.as_secs_f64() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_told_over_the_time_since_the_last_question() {
        let start = Instant::now();
        let mut counters = Counters::new(start);
        counters.sent = 4_000;
        let second = start + Duration::from_secs(1);
        assert_eq!(counters.rates(second, 500), [500.0, 0.0, 4_000.0]);
        // Too soon for another.
        assert_eq!(counters.rates(second + RATE_OVER / 2, 600), [500.0, 0.0, 4_000.0]);
        assert_eq!(counters.rates(second + RATE_OVER * 10, 600), [100.0, 0.0, 0.0]);
    }
}
