//! [`Batch`]: what one call sends.

use bytes::BytesMut;
use tuckbox_resp::{Command, cmd, write_command};

use super::rules;

/// What one call sends in one piece.
pub(super) enum Batch<'a> {
    One(&'a Command),
    Many(&'a [Command]),
    /// `MULTI`, the commands, `EXEC`.
    Transaction(&'a [Command]),
}

impl Batch<'_> {
    /// How many replies it gets.
    pub(super) fn replies(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(commands) => commands.len(),
            Self::Transaction(commands) => commands.len() + 2,
        }
    }

    pub(super) fn commands(&self) -> &[Command] {
        match self {
            Self::One(command) => std::slice::from_ref(command),
            Self::Many(commands) | Self::Transaction(commands) => commands,
        }
    }

    /// Whether executing it twice is the same as once.
    pub(super) fn is_read_only(&self) -> bool {
        self.commands().iter().all(rules::is_read_only)
    }

    /// Appends its wire form to `out`.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        let transaction = matches!(self, Self::Transaction(_));
        if transaction {
            write_command(&cmd!("MULTI"), out);
        }
        for command in self.commands() {
            write_command(command, out);
        }
        if transaction {
            write_command(&cmd!("EXEC"), out);
        }
    }
}
