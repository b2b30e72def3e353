//! `DUMP` and `RESTORE`: values in Redis' own serialized form.

mod lzf;
mod packed;
mod payload;

use tuckbox_resp::{Command, ErrorReply, Reply};

pub(crate) use payload::{Reader, Writer};

use crate::commands::{Context, SYNTAX, integer, is};

const BAD_TTL: &str = "ERR Invalid TTL value, must be >= 0";

pub(super) fn dump(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    Ok(match ctx.slot(&command[1]) {
        Some(slot) => Reply::Bulk(payload::write(&slot.copied()?).into()),
        None => Reply::Null,
    })
}

/// The options of `RESTORE` that mean something here: how long a key has been
/// idle and how often it was used is checked and then forgotten.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
}

impl Options {
    fn read(command: &Command) -> Result<Self, ErrorReply> {
        let mut read = Self::default();
        let (mut idle, mut used) = (false, false);
        let mut args = command.iter_from(4);
        while let Some(option) = args.next() {
            if is(option, "REPLACE") {
                read.replace = true;
            } else if is(option, "ABSTTL") {
                read.absolute = true;
            } else if is(option, "IDLETIME") && !used {
                idle = true;
                if integer(args.next().ok_or(SYNTAX)?)? < 0 {
                    return Err("ERR Invalid IDLETIME value, must be >= 0".into());
                }
            } else if is(option, "FREQ") && !idle {
                used = true;
                if !(0..=255).contains(&integer(args.next().ok_or(SYNTAX)?)?) {
                    return Err("ERR Invalid FREQ value, must be >= 0 and <= 255".into());
                }
            } else {
                return Err(SYNTAX.into());
            }
        }
        Ok(read)
    }
}

pub(super) fn restore(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let options = Options::read(command)?;
    let (key, payload) = (&command[1], &command[3]);
    if !options.replace && ctx.get(key).is_some() {
        return Err("BUSYKEY Target key name already exists.".into());
    }
    let ttl = u64::try_from(integer(&command[2])?).map_err(|_| BAD_TTL)?;
    let body = payload::verify(payload).ok_or("ERR DUMP payload version or checksum are wrong")?;
    let value = payload::read(body).ok_or("ERR Bad data format")?;
    let expire_at = match ttl {
        0 => 0,
        at if options.absolute => at,
        // No later than the signed integers of PEXPIRETIME reach.
        ttl => ttl.checked_add(ctx.now).filter(|&at| at <= i64::MAX as u64).ok_or(BAD_TTL)?,
    };
    if expire_at != 0 && expire_at <= ctx.now {
        if ctx.remove(key) {
            ctx.propagate_as(&[b"DEL", key]);
        }
        return Ok(Reply::OK);
    }
    ctx.set(key, value, expire_at);
    let at = itoa::Buffer::new().format(expire_at).to_owned();
    ctx.propagate_as(&[b"RESTORE", key, at.as_bytes(), payload, b"REPLACE", b"ABSTTL"]);
    Ok(Reply::OK)
}
