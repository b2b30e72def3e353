//! The commands that add to numbers.

use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{set::store, string};
use crate::{
    commands::{Context, NOT_AN_INTEGER, OVERFLOW, arguments::integer, float::add_float},
    memory::{Str, Value},
};

const DECREMENT_OVERFLOW: &str = "ERR decrement would overflow";

pub(super) fn incr(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    add(ctx, command, 1)
}

pub(super) fn decr(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    add(ctx, command, -1)
}

pub(super) fn incrby(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let increment = integer(&command[2])?;
    add(ctx, command, increment)
}

pub(super) fn decrby(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let increment = integer(&command[2])?.checked_neg().ok_or(DECREMENT_OVERFLOW)?;
    add(ctx, command, increment)
}

/// Adds `increment` to the integer at the command's key.
fn add(ctx: &mut Context<'_>, command: &Command, increment: i64) -> Result<Reply, ErrorReply> {
    let key = &command[1];
    let Some(mut slot) = ctx.slot(key) else {
        ctx.set(key, Value::Str(Str::Int(increment)), 0);
        ctx.propagate(command);
        return Ok(Reply::Integer(increment));
    };
    let n = string(slot.value())?.as_integer().ok_or(NOT_AN_INTEGER)?;
    let sum = n.checked_add(increment).ok_or(OVERFLOW)?;
    // As in Redis, those who watch the key hear of an increment by 0 too.
    slot.change(|value| *value = Value::Str(Str::Int(sum)));
    ctx.propagate(command);
    Ok(Reply::Integer(sum))
}

pub(super) fn incrbyfloat(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, increment) = (&command[1], &command[2]);
    let (sum, expire_at) = match ctx.slot(key) {
        Some(slot) => {
            let number = string(slot.value())?.as_bytes();
            (add_float(&number, increment)?, slot.expire_at())
        }
        None => (add_float(b"0", increment)?, 0),
    };
    // The sum as it is: nobody has to come to the same one when replaying it.
    store(ctx, key, sum.as_bytes(), expire_at);
    Ok(Reply::Bulk(sum.into()))
}
