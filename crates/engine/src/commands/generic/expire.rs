//! When keys expire.

use tuckbox_resp::{Command, ErrorReply, Reply};

use crate::{
    commands::{Context, integer, is},
    connection::repeated,
};

/// What `EXPIRE` and its kin take.
#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    /// Milliseconds in the argument's unit.
    unit: i64,
    /// Whether the argument counts from now, not from the Unix epoch.
    relative: bool,
}

/// `NX`, `XX`, `GT` and `LT`.
#[derive(Clone, Copy, Default)]
struct Conditions {
    only_if_none: bool,
    only_if_any: bool,
    only_later: bool,
    only_earlier: bool,
}

pub(super) fn expire(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    set(ctx, command, Form { name: "expire", unit: 1000, relative: true })
}

pub(super) fn pexpire(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    set(ctx, command, Form { name: "pexpire", unit: 1, relative: true })
}

pub(super) fn expireat(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    set(ctx, command, Form { name: "expireat", unit: 1000, relative: false })
}

pub(super) fn pexpireat(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    set(ctx, command, Form { name: "pexpireat", unit: 1, relative: false })
}

fn set(ctx: &mut Context<'_>, command: &Command, form: Form) -> Result<Reply, ErrorReply> {
    let conditions = Conditions::read(command)?;
    let at = form.absolute(integer(&command[2])?, ctx.now)?;
    let now = ctx.now;
    let Some(mut slot) = ctx.slot(&command[1]) else { return Ok(Reply::Integer(0)) };
    if !conditions.hold(slot.expire_at(), at) {
        return Ok(Reply::Integer(0));
    }
    match u64::try_from(at).ok().filter(|&at| at > now) {
        Some(at) => {
            slot.set_expire_at(at);
            let at = itoa::Buffer::new().format(at).to_owned();
            ctx.propagate_as(&[b"PEXPIREAT", &command[1], at.as_bytes()]);
        }
        None => {
            slot.remove();
            ctx.propagate_as(&[b"DEL", &command[1]]);
        }
    }
    Ok(Reply::Integer(1))
}

impl Form {
    /// The argument in Unix milliseconds; negative when before the epoch.
    fn absolute(self, argument: i64, now: u64) -> Result<i64, ErrorReply> {
        let base = if self.relative { i64::try_from(now).unwrap_or(i64::MAX) } else { 0 };
        let at = argument.checked_mul(self.unit).and_then(|at| at.checked_add(base));
        at.ok_or_else(|| format!("ERR invalid expire time in '{}' command", self.name).into())
    }
}

impl Conditions {
    fn read(command: &Command) -> Result<Self, ErrorReply> {
        let mut read = Self::default();
        for option in command.iter_from(3) {
            if is(option, "NX") {
                read.only_if_none = true;
            } else if is(option, "XX") {
                read.only_if_any = true;
            } else if is(option, "GT") {
                read.only_later = true;
            } else if is(option, "LT") {
                read.only_earlier = true;
            } else {
                let option = String::from_utf8_lossy(repeated(option, option.len()));
                return Err(format!("ERR Unsupported option {option}").into());
            }
        }
        if read.only_if_none && (read.only_if_any || read.only_later || read.only_earlier) {
            return Err(
                "ERR NX and XX, GT or LT options at the same time are not compatible".into()
            );
        }
        if read.only_later && read.only_earlier {
            return Err("ERR GT and LT options at the same time are not compatible".into());
        }
        Ok(read)
    }

    /// Whether `at` may take the place of `current`, which is 0 for never: the
    /// latest time of all.
    fn hold(self, current: u64, at: i64) -> bool {
        let later = current != 0 && u64::try_from(at).is_ok_and(|at| at > current);
        let earlier = current == 0 || u64::try_from(at).map_or(true, |at| at < current);
        !(self.only_if_none && current != 0
            || self.only_if_any && current == 0
            || self.only_later && !later
            || self.only_earlier && !earlier)
    }
}

pub(super) fn persist(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    match ctx.slot(&command[1]) {
        Some(mut slot) if slot.expire_at() != 0 => slot.set_expire_at(0),
        _ => return Ok(Reply::Integer(0)),
    }
    ctx.propagate(command);
    Ok(Reply::Integer(1))
}

pub(super) fn ttl(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    Ok(tell(ctx, command, |at, now| seconds(at.saturating_sub(now))))
}

pub(super) fn pttl(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    Ok(tell(ctx, command, u64::saturating_sub))
}

pub(super) fn expiretime(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    Ok(tell(ctx, command, |at, _| seconds(at)))
}

pub(super) fn pexpiretime(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    Ok(tell(ctx, command, |at, _| at))
}

/// What `of` makes of the key's expiry and the time of now; -1 when the key
/// never expires, -2 when there is none.
fn tell(ctx: &mut Context<'_>, command: &Command, of: impl Fn(u64, u64) -> u64) -> Reply {
    let now = ctx.now;
    Reply::Integer(match ctx.slot(&command[1]).map(|slot| slot.expire_at()) {
        None => -2,
        Some(0) => -1,
        Some(at) => i64::try_from(of(at, now)).unwrap_or(i64::MAX),
    })
}

/// Milliseconds as whole seconds, rounded to the nearest.
fn seconds(ms: u64) -> u64 {
    ms / 1000 + u64::from(ms % 1000 >= 500)
}
