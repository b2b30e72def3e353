//! The commands that have to do with other servers. There are none.

use tuckbox_resp::{Command, ErrorReply, Reply};

use crate::{
    commands::{Context, integer},
    memory::parse_integer,
};

const NOT_KEPT: &str =
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

/// Answers at once that no replica has anything.
pub(super) fn wait(_ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    integer(&command[1])?;
    timeout(&command[2])?;
    Ok(Reply::Integer(0))
}

/// Answers that this database has it on disk, if it keeps anything, and that no
/// replica has. It counts as a command that has seen every change, so its reply
/// is held back until that is true.
pub(super) fn waitaof(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    if !(0..=1).contains(&integer(&command[1])?) {
        return Err("ERR value is out of range, value must between 0 and 1".into());
    }
    if integer(&command[2])? < 0 {
        return Err("ERR value is out of range, must be positive".into());
    }
    timeout(&command[3])?;
    let kept = i64::from(ctx.effects.are_logged());
    if kept == 0 && &command[1] == b"1" {
        return Err(NOT_KEPT.into());
    }
    Ok(Reply::Array(vec![Reply::Integer(kept), Reply::Integer(0)]))
}

fn timeout(arg: &[u8]) -> Result<(), ErrorReply> {
    match parse_integer(arg) {
        None => Err("ERR timeout is not an integer or out of range".into()),
        Some(..0) => Err("ERR timeout is negative".into()),
        Some(_) => Ok(()),
    }
}

pub(super) fn migrate(_ctx: &mut Context<'_>, _command: &Command) -> Result<Reply, ErrorReply> {
    Err("ERR MIGRATE is not available: a database opens no connections to other servers. Use \
         DUMP here and RESTORE there."
        .into())
}
