//! The commands on parts of strings.

use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{STRING_BYTES_MAX, length, string};
use crate::{
    commands::{Context, STRING_TOO_LONG, arguments::integer},
    memory::{Str, Value},
};

const OFFSET_OUT_OF_RANGE: &str = "ERR offset is out of range";

pub(super) fn append(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, tail) = (&command[1], &command[2]);
    let Some(mut slot) = ctx.slot(key) else {
        ctx.set(key, Value::Str(Str::from_slice(tail)), 0);
        ctx.propagate(command);
        return Ok(length(tail.len()));
    };
    let len = total_length(string(slot.value())?.len(), tail.len())?;
    // As in Redis, those who watch the key hear of an empty tail too.
    slot.change(|value| {
        if let Value::Str(string) = value {
            string.append(tail);
        }
    });
    ctx.propagate(command);
    Ok(length(len))
}

pub(super) fn setrange(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, part) = (&command[1], &command[3]);
    let offset = usize::try_from(integer(&command[2])?).map_err(|_| OFFSET_OUT_OF_RANGE)?;
    let Some(mut slot) = ctx.slot(key) else {
        if part.is_empty() {
            return Ok(Reply::Integer(0));
        }
        let mut bytes = vec![0; total_length(offset, part.len())?];
        bytes[offset..].copy_from_slice(part);
        let len = bytes.len();
        ctx.set(key, Value::Str(Str::from_vec(bytes)), 0);
        ctx.propagate(command);
        return Ok(length(len));
    };
    let len = string(slot.value())?.len();
    if part.is_empty() {
        return Ok(length(len));
    }
    let end = total_length(offset, part.len())?;
    slot.change(|value| {
        if let Value::Str(string) = value {
            string.overwrite(offset, part);
        }
    });
    ctx.propagate(command);
    Ok(length(len.max(end)))
}

/// The length of two parts, unless no string may be that long.
pub(super) fn total_length(head: usize, tail: usize) -> Result<usize, ErrorReply> {
    let total = head.checked_add(tail).filter(|&total| total <= STRING_BYTES_MAX);
    total.ok_or_else(|| STRING_TOO_LONG.into())
}

pub(super) fn getrange(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (start, end) = (integer(&command[2])?, integer(&command[3])?);
    let Some(string) = ctx.string(&command[1])? else { return Ok(Reply::bulk(b"")) };
    let len = string.len();
    // Redis looks at the order of two negative places before it moves them
    // into the string: -100 to -200 is nothing, 0 to -200 is the first byte.
    if len == 0 || (start < 0 && end < 0 && start > end) {
        return Ok(Reply::bulk(b""));
    }
    let place = |index: i64| {
        if index >= 0 {
            return usize::try_from(index).unwrap_or(usize::MAX);
        }
        len.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
    };
    let (start, end) = (place(start), place(end).min(len - 1));
    if start > end {
        return Ok(Reply::bulk(b""));
    }
    Ok(Reply::Bulk(string.part(start..end + 1)))
}
