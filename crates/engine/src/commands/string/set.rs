//! The commands that set whole strings, or when they expire.

use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{
    bulk,
    expiry::{Expiry, Unit},
    string,
};
use crate::{
    commands::{Context, SYNTAX, arguments::is},
    memory::{Str, Value},
};

const MSET_ARITY: &str = "ERR wrong number of arguments for 'mset' command";
const MSETNX_ARITY: &str = "ERR wrong number of arguments for 'msetnx' command";

/// What `SET` and `GETEX` are told besides key and value.
#[derive(Debug, Default)]
struct Options<'a> {
    /// `NX` and `XX`: whether the key has to be there.
    present: Option<bool>,
    /// `GET`: the reply is the old value.
    get: bool,
    /// `KEEPTTL`, or `PERSIST` for `GETEX`.
    ttl_option: bool,
    expiry: Option<Expiry<'a>>,
}

impl<'a> Options<'a> {
    fn of_set(command: &'a Command) -> Result<Self, ErrorReply> {
        let mut options = Self::default();
        let mut args = command.iter_from(3);
        while let Some(arg) = args.next() {
            if is(arg, "NX") && options.present != Some(true) {
                options.present = Some(false);
            } else if is(arg, "XX") && options.present != Some(false) {
                options.present = Some(true);
            } else if is(arg, "GET") {
                options.get = true;
            } else {
                options.take_ttl("KEEPTTL", arg, &mut args)?;
            }
        }
        Ok(options)
    }

    fn of_getex(command: &'a Command) -> Result<Self, ErrorReply> {
        let mut options = Self::default();
        let mut args = command.iter_from(2);
        while let Some(arg) = args.next() {
            options.take_ttl("PERSIST", arg, &mut args)?;
        }
        Ok(options)
    }

    /// Takes an option about expiry; they exclude each other, but each may be
    /// given again.
    fn take_ttl(
        &mut self,
        ttl_option: &str,
        arg: &[u8],
        rest: &mut impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), ErrorReply> {
        if is(arg, ttl_option) && self.expiry.is_none() {
            self.ttl_option = true;
            return Ok(());
        }
        let unit = Unit::of_option(arg).ok_or(SYNTAX)?;
        if self.ttl_option || self.expiry.is_some_and(|other| other.unit != unit) {
            return Err(SYNTAX.into());
        }
        let value = rest.next().ok_or(SYNTAX)?;
        self.expiry = Some(Expiry { unit, value });
        Ok(())
    }
}

pub(super) fn set(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, value) = (&command[1], &command[2]);
    if command.len() == 3 {
        ctx.set(key, Value::Str(Str::from_slice(value)), 0);
        ctx.propagate(command);
        return Ok(Reply::OK);
    }
    let options = Options::of_set(command)?;
    let expiry = options.expiry.map(|expiry| expiry.at(ctx.now, "set")).transpose()?;
    let mut expire_at = expiry.unwrap_or(0);
    let mut reply = Reply::OK;
    if options.get || options.ttl_option || options.present.is_some() {
        let found = ctx.slot(key);
        if options.get {
            let old = found.as_ref().map(|slot| string(slot.value())).transpose()?;
            reply = old.map_or(Reply::Null, bulk);
        }
        if options.present.is_some_and(|present| present != found.is_some()) {
            return Ok(if options.get { reply } else { Reply::Null });
        }
        if options.ttl_option {
            expire_at = found.map_or(0, |slot| slot.expire_at());
        }
    }
    store(ctx, key, value, expire_at);
    Ok(reply)
}

pub(super) fn setnx(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, value) = (&command[1], &command[2]);
    if ctx.get(key).is_some() {
        return Ok(Reply::Integer(0));
    }
    store(ctx, key, value, 0);
    Ok(Reply::Integer(1))
}

pub(super) fn setex(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    set_expiring(ctx, command, Unit::Seconds, "setex")
}

pub(super) fn psetex(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    set_expiring(ctx, command, Unit::Milliseconds, "psetex")
}

fn set_expiring(
    ctx: &mut Context<'_>,
    command: &Command,
    unit: Unit,
    name: &str,
) -> Result<Reply, ErrorReply> {
    let expire_at = Expiry { unit, value: &command[2] }.at(ctx.now, name)?;
    store(ctx, &command[1], &command[3], expire_at);
    Ok(Reply::OK)
}

pub(super) fn getset(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, value) = (&command[1], &command[2]);
    let reply = ctx.string(key)?.map_or(Reply::Null, bulk);
    store(ctx, key, value, 0);
    Ok(reply)
}

pub(super) fn mset(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    if command.len().is_multiple_of(2) {
        return Err(MSET_ARITY.into());
    }
    set_pairs(ctx, command);
    Ok(Reply::OK)
}

pub(super) fn msetnx(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    if command.len().is_multiple_of(2) {
        return Err(MSETNX_ARITY.into());
    }
    if command.iter_from(1).step_by(2).any(|key| ctx.get(key).is_some()) {
        return Ok(Reply::Integer(0));
    }
    set_pairs(ctx, command);
    Ok(Reply::Integer(1))
}

fn set_pairs(ctx: &mut Context<'_>, command: &Command) {
    let keys = command.iter_from(1).step_by(2);
    let values = command.iter_from(2).step_by(2);
    for (key, value) in keys.zip(values) {
        ctx.set(key, Value::Str(Str::from_slice(value)), 0);
    }
    ctx.propagate(command);
}

pub(super) fn getex(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let key = &command[1];
    let options = Options::of_getex(command)?;
    let now = ctx.now;
    let Some(mut slot) = ctx.slot(key) else { return Ok(Reply::Null) };
    let found = string(slot.value())?;
    let expiry = options.expiry.map(|expiry| expiry.at(now, "getex")).transpose()?;
    let reply = bulk(found);
    match expiry {
        Some(expire_at) if expire_at <= now => {
            slot.remove();
            ctx.propagate_as(&[b"DEL", key]);
        }
        Some(expire_at) => {
            slot.set_expire_at(expire_at);
            let mut text = itoa::Buffer::new();
            ctx.propagate_as(&[b"PEXPIREAT", key, text.format(expire_at).as_bytes()]);
        }
        None if options.ttl_option && slot.expire_at() != 0 => {
            slot.set_expire_at(0);
            ctx.propagate_as(&[b"PERSIST", key]);
        }
        None => {}
    }
    Ok(reply)
}

/// Sets `key` to `value` and tells so; `expire_at` in Unix milliseconds, 0 for
/// never. What has expired already deletes the key.
pub(super) fn store(ctx: &mut Context<'_>, key: &[u8], value: &[u8], expire_at: u64) {
    if expire_at == 0 {
        ctx.set(key, Value::Str(Str::from_slice(value)), 0);
        ctx.propagate_as(&[b"SET", key, value]);
    } else if expire_at > ctx.now {
        ctx.set(key, Value::Str(Str::from_slice(value)), expire_at);
        let mut text = itoa::Buffer::new();
        let expire_at = text.format(expire_at).as_bytes();
        ctx.propagate_as(&[b"SET", key, value, b"PXAT", expire_at]);
    } else if ctx.remove(key) {
        ctx.propagate_as(&[b"DEL", key]);
    }
}
