//! [`Tally`]: what each command did, those that scripts call included.

use std::{collections::BTreeMap, time::Duration};

use tuckbox_resp::{
    ErrorReply, Reply,
    table::{self, ALL_COMMANDS, CommandSpec},
};

use crate::histogram::Histogram;

/// Codes of errors that are told apart; a client can make more up by scripts.
const CODES_MAX: usize = 128;

/// Bytes of a code; longer ones are counted as `ERR`.
const CODE_MAX: usize = 32;

/// What each command did, since the start or since `CONFIG RESETSTAT`.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Commands that ran.
    pub(crate) commands: u64,
    pub(crate) errors: u64,
    pub(crate) codes: BTreeMap<String, u64>,
    /// By the number of the command, then of the subcommand.
    calls: Vec<Calls>,
}

/// What one command did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    pub(crate) took: Duration,
    /// Refused before it ran.
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    /// How long it took how often; `None` until it is called.
    pub(crate) times: Option<Histogram>,
    subcommands: Vec<Calls>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            commands: 0,
            errors: 0,
            codes: BTreeMap::new(),
            calls: vec![Calls::default(); table::COMMAND_COUNT],
        }
    }
}

impl Tally {
    /// Notes that a command was run, how long it took, and whether it failed.
    pub(crate) fn ran(&mut self, spec: &'static CommandSpec, took: Duration, failed: bool) {
        self.commands += 1;
        if let Some(calls) = self.calls_of(spec) {
            calls.count += 1;
            calls.took += took;
            calls.failed += u64::from(failed);
            calls.times.get_or_insert_default().add(took);
        }
    }

    /// Notes that a command was refused before it ran.
    pub(crate) fn refused(&mut self, spec: Option<&'static CommandSpec>) {
        if let Some(calls) = spec.and_then(|spec| self.calls_of(spec)) {
            calls.rejected += 1;
        }
    }

    /// Notes an error reply, if this is one.
    pub(crate) fn note_reply(&mut self, reply: &Reply) {
        if let Reply::Error(error) = reply {
            self.note_error(error);
        }
    }

    /// Notes an error.
    pub(crate) fn note_error(&mut self, error: &ErrorReply) {
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
        let mut tally = Tally::default();
        let get = table::lookup(b"get").unwrap();
        let list = table::lookup(b"client").unwrap().subcommand(b"list").unwrap();
        let took = Duration::from_micros(3);
        tally.ran(get, took, false);
        tally.ran(get, took, true);
        tally.note_reply(&Reply::error("WRONGTYPE no"));
        tally.ran(list, took, false);
        tally.refused(Some(list));
        tally.note_reply(&Reply::error("ERR no"));
        let told: Vec<_> =
            tally.calls().map(|(name, c)| (name, c.count, c.failed, c.rejected)).collect();
        assert_eq!(told, [("get", 2, 1, 0), ("client|list", 1, 0, 1)]);
        assert_eq!(tally.errors, 2);
        assert_eq!(tally.codes["WRONGTYPE"], 1);
    }

    #[test]
    fn no_client_can_have_error_codes_counted_without_end() {
        let mut tally = Tally::default();
        for code in 0..1_000 {
            tally.note_reply(&Reply::error(format!("E{code} made up")));
        }
        assert_eq!((tally.codes.len(), tally.errors), (CODES_MAX, 1_000));
    }

    #[test]
    fn a_code_that_would_break_a_line_counts_as_err() {
        let mut tally = Tally::default();
        for code in ["X:count=9", &"A".repeat(CODE_MAX + 1), "NO_MORE"] {
            tally.note_reply(&Reply::error(format!("{code} made up")));
        }
        let told: Vec<_> = tally.codes.iter().map(|(code, n)| (code.as_str(), *n)).collect();
        assert_eq!(told, [("ERR", 2), ("NO_MORE", 1)]);
    }
}
