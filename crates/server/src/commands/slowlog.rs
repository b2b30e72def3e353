//! `SLOWLOG`: the commands that took the longest.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::Bytes;
use tuckbox_resp::{Command, Reply};

use super::{
    Answer, integer, number,
    secrets::{REDACTED, hides},
    text,
};
use crate::host::Serving;

/// Arguments of one command, and bytes of one argument, that are kept.
const ARGS_KEPT: usize = 32;
const BYTES_KEPT: usize = 128;

/// The commands that took the longest, the latest first.
#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    entries: VecDeque<Entry>,
    next_id: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    unix_ms: u64,
    took: Duration,
    args: Vec<Bytes>,
    address: SocketAddr,
    name: String,
}

impl SlowLog {
    /// Adds a command; of the entries, `limit` are kept.
    pub(crate) fn add(
        &mut self,
        unix_ms: u64,
        took: Duration,
        command: &Command,
        address: SocketAddr,
        name: &str,
        limit: usize,
    ) {
        let id = self.next_id;
        self.next_id += 1;
        let (args, name) = (kept(command), name.to_owned());
        self.entries.push_front(Entry { id, unix_ms, took, args, address, name });
        self.entries.truncate(limit);
    }
}

/// What is kept of a command's arguments.
fn kept(command: &Command) -> Vec<Bytes> {
    let shown = if command.len() > ARGS_KEPT { ARGS_KEPT - 1 } else { command.len() };
    let kept = command.iter().take(shown).enumerate().map(|(index, arg)| {
        if hides(command, index) { Bytes::from_static(REDACTED.as_bytes()) } else { kept_arg(arg) }
    });
    let mut args: Vec<Bytes> = kept.collect();
    if shown < command.len() {
        args.push(format!("... ({} more arguments)", command.len() - shown).into());
    }
    args
}

fn kept_arg(arg: &[u8]) -> Bytes {
    match arg.get(..BYTES_KEPT) {
        Some(first) if arg.len() > BYTES_KEPT => {
            let more = format!("... ({} more bytes)", arg.len() - BYTES_KEPT);
            [first, more.as_bytes()].concat().into()
        }
        _ => Bytes::copy_from_slice(arg),
    }
}

pub(super) fn run(serving: &mut Serving<'_>, subcommand: &str, command: &Command) -> Answer {
    let slow = &mut serving.hall.slow;
    match subcommand {
        "len" => Ok(number(slow.entries.len())),
        "reset" => {
            slow.entries.clear();
            Ok(Reply::OK)
        }
        "get" => {
            let count = if command.len() > 2 { integer(command, 2).unwrap_or(-2) } else { 10 };
            if count < -1 {
                return Err("ERR count should be greater than or equal to -1".into());
            }
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            Ok(Reply::Array(slow.entries.iter().take(count).map(Entry::reply).collect()))
        }
        _ => Err(super::SYNTAX.into()),
    }
}

impl Entry {
    fn reply(&self) -> Reply {
        Reply::Array(vec![
            number(self.id),
            number(self.unix_ms / 1000),
            number(self.took.as_micros()),
            Reply::Array(self.args.iter().cloned().map(Reply::Bulk).collect()),
            text(&self.address.to_string()),
            text(&self.name),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tuckbox_resp::cmd;

    #[test]
    fn long_commands_are_cut_and_the_oldest_go() {
        let mut slow = SlowLog::default();
        let address = "127.0.0.1:9".parse().unwrap();
        let mut long = Command::new("RPUSH");
        (0..40).for_each(|_| long.push("x".repeat(200).as_str()));
        let long = long.build();
        for command in [cmd!("GET", "a"), cmd!("AUTH", "secret"), long] {
            slow.add(5_000, Duration::from_millis(20), &command, address, "me", 2);
        }
        assert_eq!(slow.entries.len(), 2);
        let args = &slow.entries[0].args;
        assert_eq!((slow.entries[0].id, args.len()), (2, 32));
        assert!(args[1].ends_with(b"xx... (72 more bytes)"));
        assert_eq!(args[31], "... (10 more arguments)");
        assert_eq!(slow.entries[1].args, ["AUTH", "(redacted)"]);
    }
}
