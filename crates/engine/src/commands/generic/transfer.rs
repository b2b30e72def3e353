//! Values that go to another key or to another logical database.

use tuckbox_resp::{Command, ErrorReply, Reply};

use crate::{
    commands::{Context, NO_SUCH_KEY, SYNTAX, integer, is},
    database::{Call, LOGICAL},
};

const NO_SUCH_DB: &str = "ERR DB index is out of range";
const SAME: &str = "ERR source and destination objects are the same";

/// The options of `COPY`.
#[derive(Default)]
struct CopyOptions {
    db: Option<usize>,
    replace: bool,
}

impl CopyOptions {
    fn read(command: &Command) -> Result<Self, ErrorReply> {
        let mut read = Self::default();
        let mut args = command.iter_from(3);
        while let Some(option) = args.next() {
            if is(option, "REPLACE") {
                read.replace = true;
            } else if is(option, "DB")
                && let Some(number) = args.next()
            {
                read.db = Some(logical(number)?);
            } else {
                return Err(SYNTAX.into());
            }
        }
        Ok(read)
    }
}

/// The number of the logical database that `arg` names.
fn logical(arg: &[u8]) -> Result<usize, ErrorReply> {
    let number = integer(arg)?;
    if i32::try_from(number).is_err() {
        return Err(
            "ERR value is out of range, value must between -2147483648 and 2147483647".into()
        );
    }
    usize::try_from(number).ok().filter(|&db| db < LOGICAL).ok_or_else(|| NO_SUCH_DB.into())
}

/// The key that `COPY` or `MOVE` names in another logical database.
pub(crate) fn key_elsewhere(call: &Call) -> Option<(usize, &[u8])> {
    let (db, key) = match call.spec.name {
        "copy" => (CopyOptions::read(&call.command).ok()?.db?, call.command.get(2)?),
        "move" => (logical(call.command.get(2)?).ok()?, call.command.get(1)?),
        _ => return None,
    };
    (db != call.db).then_some((db, key))
}

pub(super) fn copy(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let options = CopyOptions::read(command)?;
    let (from, to) = (&command[1], &command[2]);
    let db = options.db.unwrap_or(ctx.db);
    if db == ctx.db && from == to {
        return Err(SAME.into());
    }
    let now = ctx.now;
    let Some(slot) = ctx.slot(from) else { return Ok(Reply::Integer(0)) };
    let (value, expire_at) = (slot.copied()?, slot.expire_at());
    let target = ctx.enter(db).ok_or(NO_SUCH_DB)?;
    if !options.replace && target.slot(to, now).is_some() {
        return Ok(Reply::Integer(0));
    }
    target.set(to, value, expire_at);
    ctx.propagate(command);
    Ok(Reply::Integer(1))
}

/// `MOVE`: `move` is a word of Rust.
pub(super) fn move_key(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let key = &command[1];
    let db = logical(&command[2])?;
    if db == ctx.db {
        return Err(SAME.into());
    }
    let now = ctx.now;
    if ctx.slot(key).is_none() || ctx.enter(db).ok_or(NO_SUCH_DB)?.slot(key, now).is_some() {
        return Ok(Reply::Integer(0));
    }
    let Some(slot) = ctx.slot(key) else { return Ok(Reply::Integer(0)) };
    // Parts belong to a logical database: the value is made anew in the other.
    let (value, expire_at) = (slot.copied()?, slot.expire_at());
    slot.remove();
    ctx.enter(db).ok_or(NO_SUCH_DB)?.set(key, value, expire_at);
    ctx.propagate(command);
    Ok(Reply::Integer(1))
}

pub(super) fn rename(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    give_name(ctx, command, true)?;
    Ok(Reply::OK)
}

pub(super) fn renamenx(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    Ok(Reply::Integer(i64::from(give_name(ctx, command, false)?)))
}

/// Returns whether the key has its new name; an existing one of that name goes
/// if `replace`.
fn give_name(ctx: &mut Context<'_>, command: &Command, replace: bool) -> Result<bool, ErrorReply> {
    let (from, to) = (&command[1], &command[2]);
    if ctx.slot(from).is_none() {
        return Err(NO_SUCH_KEY.into());
    }
    if from == to || (!replace && ctx.slot(to).is_some()) {
        return Ok(false);
    }
    let slot = ctx.slot(from).ok_or(NO_SUCH_KEY)?;
    let expire_at = slot.expire_at();
    let value = slot.take();
    ctx.set(to, value, expire_at);
    ctx.propagate(command);
    Ok(true)
}
