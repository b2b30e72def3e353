//! The string commands.
//!
//! That a command has the arguments its arity promises was checked before.

mod expiry;
mod lcs;
mod number;
mod range;
mod set;
#[cfg(test)]
mod tests;

use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{Context, Group, Handler, WRONGTYPE};
use crate::memory::{Str, Value};

/// The longest string: Redis' `proto-max-bulk-len`.
const STRING_BYTES_MAX: usize = 512 << 20;

/// The commands of this folder and what runs them.
pub(super) const COMMANDS: Group = Group { runs: RUNS, needs: &[] };

const RUNS: &[(&str, Handler)] = &[
    ("append", range::append),
    ("decr", number::decr),
    ("decrby", number::decrby),
    ("get", get),
    ("getdel", getdel),
    ("getex", set::getex),
    ("getrange", range::getrange),
    ("getset", set::getset),
    ("incr", number::incr),
    ("incrby", number::incrby),
    ("incrbyfloat", number::incrbyfloat),
    ("lcs", lcs::lcs),
    ("mget", mget),
    ("mset", set::mset),
    ("msetnx", set::msetnx),
    ("psetex", set::psetex),
    ("set", set::set),
    ("setex", set::setex),
    ("setnx", set::setnx),
    ("setrange", range::setrange),
    ("strlen", strlen),
    ("substr", range::getrange),
];

fn get(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    Ok(ctx.string(&command[1])?.map_or(Reply::Null, bulk))
}

fn getdel(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let key = &command[1];
    let Some(slot) = ctx.slot(key) else { return Ok(Reply::Null) };
    let reply = bulk(string(slot.value())?);
    slot.remove();
    ctx.propagate_as(&[b"DEL", key]);
    Ok(reply)
}

fn mget(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let value = |key| match ctx.get(key) {
        Some(Value::Str(string)) => bulk(string),
        _ => Reply::Null,
    };
    Ok(Reply::Array(command.iter_from(1).map(value).collect()))
}

fn strlen(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    Ok(length(ctx.string(&command[1])?.map_or(0, Str::len)))
}

/// The string that `value` is.
fn string(value: &Value) -> Result<&Str, ErrorReply> {
    match value {
        Value::Str(string) => Ok(string),
        _ => Err(WRONGTYPE.into()),
    }
}

fn bulk(string: &Str) -> Reply {
    Reply::Bulk(string.to_bytes())
}

fn length(bytes: usize) -> Reply {
    Reply::Integer(bytes as i64)
}
