//! [`Batch`]: what one call sends to one server.

use bytes::BytesMut;
use smallvec::{SmallVec, smallvec};
use tuckbox_resp::{Command, cmd, write_command};

use super::rules;
#[cfg(feature = "redis-cluster")]
use super::state::Replies;

/// Commands that stay together.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) commands: &'a [Command],
    /// `MULTI`, the commands, `EXEC`.
    transaction: bool,
}

impl<'a> Piece<'a> {
    pub(super) fn plain(commands: &'a [Command]) -> Self {
        Self { commands, transaction: false }
    }

    pub(super) fn transaction(commands: &'a [Command]) -> Self {
        Self { commands, transaction: true }
    }

    /// What need not stay together: a transaction must, other commands not.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn parts(self) -> impl Iterator<Item = Self> {
        let size = if self.transaction { self.commands.len() } else { 1 };
        let whole = self.transaction;
        self.commands.chunks(size.max(1)).map(move |commands| Self { commands, transaction: whole })
    }

    /// Whether executing it twice is the same as once.
    pub(super) fn is_read_only(&self) -> bool {
        self.commands.iter().all(rules::is_read_only)
    }

    /// How many replies it gets.
    fn replies(&self) -> usize {
        self.commands.len() + if self.transaction { 2 } else { 0 }
    }

    fn encode(&self, out: &mut BytesMut) {
        if self.transaction {
            write_command(&cmd!("MULTI"), out);
        }
        for command in self.commands {
            write_command(command, out);
        }
        if self.transaction {
            write_command(&cmd!("EXEC"), out);
        }
    }
}

/// What one call sends to one server at once.
pub(super) struct Batch<'a> {
    pub(super) pieces: SmallVec<[Piece<'a>; 1]>,
    /// Each piece goes behind an `ASKING`: its slot is on its way to that server.
    pub(super) asking: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn of(piece: Piece<'a>) -> Self {
        Self { pieces: smallvec![piece], asking: false }
    }

    /// How many replies it gets.
    pub(super) fn replies(&self) -> usize {
        self.pieces.iter().map(|piece| piece.replies() + usize::from(self.asking)).sum()
    }

    /// Whether executing it twice is the same as once.
    pub(super) fn is_read_only(&self) -> bool {
        self.pieces.iter().all(Piece::is_read_only)
    }

    /// Appends its wire form to `out`.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        for piece in &self.pieces {
            if self.asking {
                write_command(&cmd!("ASKING"), out);
            }
            piece.encode(out);
        }
    }

    /// The replies to each piece.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn sort(&self, replies: Replies) -> impl Iterator<Item = Replies> {
        let mut replies = replies.into_iter();
        self.pieces.iter().map(move |piece| {
            if self.asking {
                replies.next();
            }
            replies.by_ref().take(piece.replies()).collect()
        })
    }
}
