//! [`Counters`]: what the server did.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tuckbox_resp::{
    Reply,
    table::{self, ALL_COMMANDS, CommandSpec},
};

/// Codes of errors that are told apart; a client can make more up by scripts.
const CODES_MAX: usize = 128;

/// Bytes of a code; longer ones are counted as `ERR`.
const CODE_MAX: usize = 32;

/// The shortest time over which a rate is told.
const RATE_OVER: Duration = Duration::from_millis(100);

/// What the server did since it started, or since `CONFIG RESETSTAT`.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) commands: u64,
    pub(crate) connections: u64,
    /// Connections refused because there were too many.
    pub(crate) rejected: u64,
    /// Connections cut because they were idle, or too slow.
    pub(crate) cut: u64,
    pub(crate) failed_logins: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) errors: u64,
    pub(crate) codes: BTreeMap<String, u64>,
    /// By the number of the command, then of the subcommand.
    calls: Vec<Calls>,
    rate: Rate,
}

/// What one command did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    pub(crate) took: Duration,
    /// Refused before it ran.
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    subcommands: Vec<Calls>,
}

/// Commands in a second, lately.
#[derive(Debug)]
struct Rate {
    at: Instant,
    commands: u64,
    last: f64,
}

impl Counters {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            commands: 0,
            connections: 0,
            rejected: 0,
            cut: 0,
            failed_logins: 0,
            received: 0,
            sent: 0,
            errors: 0,
            codes: BTreeMap::new(),
            calls: vec![Calls::default(); table::COMMAND_COUNT],
            rate: Rate { at: now, commands: 0, last: 0.0 },
        }
    }

    /// Notes that a command was run, and how long it took.
    pub(crate) fn ran(&mut self, spec: &'static CommandSpec, took: Duration, reply: &Reply) {
        if let Some(calls) = self.calls_of(spec) {
            calls.count += 1;
            calls.took += took;
            calls.failed += u64::from(matches!(reply, Reply::Error(_)));
        }
        self.note_error(reply);
    }

    /// Notes that a command was refused before it ran.
    pub(crate) fn refused(&mut self, spec: Option<&'static CommandSpec>, reply: &Reply) {
        if let Some(calls) = spec.and_then(|spec| self.calls_of(spec)) {
            calls.rejected += 1;
        }
        self.note_error(reply);
    }

    fn note_error(&mut self, reply: &Reply) {
        let Reply::Error(error) = reply else { return };
        self.errors += 1;
        let code = Some(error.code()).filter(|code| is_code(code)).unwrap_or("ERR");
        if let Some(count) = self.codes.get_mut(code) {
            *count += 1;
        } else if self.codes.len() < CODES_MAX {
            self.codes.insert(code.to_owned(), 1);
        }
    }

    fn calls_of(&mut self, spec: &'static CommandSpec) -> Option<&mut Calls> {
        let Some((container, _)) = spec.name.split_once('|') else {
            return self.calls.get_mut(spec.index());
        };
        let container = table::lookup(container.as_bytes())?;
        let subcommands = &mut self.calls.get_mut(container.index())?.subcommands;
        if subcommands.is_empty() {
            subcommands.resize(container.subcommands.len(), Calls::default());
        }
        subcommands.get_mut(spec.index())
    }

    /// The commands that were called or refused.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&'static str, &Calls)> {
        let commands = ALL_COMMANDS.iter().zip(&self.calls);
        let all = commands.flat_map(|(spec, calls)| {
            let subcommands = spec.subcommands.iter().zip(&calls.subcommands);
            let subcommands = subcommands.map(|(spec, calls)| (spec.name, calls));
            std::iter::once((spec.name, calls)).chain(subcommands)
        });
        all.filter(|(_, calls)| calls.count > 0 || calls.rejected > 0)
    }

    /// Commands in a second, since somebody last asked.
    pub(crate) fn rate(&mut self, now: Instant) -> u64 {
        let over = now.saturating_duration_since(self.rate.at);
        if over >= RATE_OVER {
            let commands = self.commands - self.rate.commands;
            self.rate.last = commands as f64 / over.as_secs_f64();
            self.rate.at = now;
            self.rate.commands = self.commands;
        }
        self.rate.last as u64
    }
}

/// Whether an error's code can stand in a line of `INFO`: scripts make codes up, with
/// any bytes and of any length.
fn is_code(code: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=CODE_MAX).contains(&code.len()) && code.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_command_and_subcommand() {
        let mut counters = Counters::new(Instant::now());
        let get = table::lookup(b"get").unwrap();
        let list = table::lookup(b"client").unwrap().subcommand(b"list").unwrap();
        let took = Duration::from_micros(3);
        counters.ran(get, took, &Reply::Null);
        counters.ran(get, took, &Reply::error("WRONGTYPE no"));
        counters.ran(list, took, &Reply::OK);
        counters.refused(Some(list), &Reply::error("ERR no"));
        let told: Vec<_> =
            counters.calls().map(|(name, c)| (name, c.count, c.failed, c.rejected)).collect();
        assert_eq!(told, [("get", 2, 1, 0), ("client|list", 1, 0, 1)]);
        assert_eq!(counters.errors, 2);
        assert_eq!(counters.codes["WRONGTYPE"], 1);
    }

    #[test]
    fn no_client_can_have_error_codes_counted_without_end() {
        let mut counters = Counters::new(Instant::now());
        for code in 0..1_000 {
            counters.refused(None, &Reply::error(format!("E{code} made up")));
        }
        assert_eq!((counters.codes.len(), counters.errors), (CODES_MAX, 1_000));
    }

    #[test]
    fn a_code_that_would_break_a_line_counts_as_err() {
        let mut counters = Counters::new(Instant::now());
        for code in ["X:count=9", &"A".repeat(CODE_MAX + 1), "NO_MORE"] {
            counters.refused(None, &Reply::error(format!("{code} made up")));
        }
        let told: Vec<_> = counters.codes.iter().map(|(code, n)| (code.as_str(), *n)).collect();
        assert_eq!(told, [("ERR", 2), ("NO_MORE", 1)]);
    }
}
