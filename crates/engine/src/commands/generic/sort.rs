//! `SORT` and `SORT_RO`.
//!
//! They sort lists, sets and sorted sets. The engine has none of these, so
//! there are two cases: no key, which sorts like an empty list, and a key of a
//! type that cannot be sorted.

use tuckbox_resp::{Command, ErrorReply, Reply};

use crate::commands::{Context, SYNTAX, WRONGTYPE, integer, is};

pub(super) fn sort(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let destination = destination(command, true)?;
    if ctx.get(&command[1]).is_some() {
        return Err(WRONGTYPE.into());
    }
    let Some(destination) = destination else { return Ok(Reply::Array(Vec::new())) };
    // An empty result is stored as no key at all.
    if ctx.remove(destination) {
        ctx.propagate_as(&[b"DEL", destination]);
    }
    Ok(Reply::Integer(0))
}

pub(super) fn sort_ro(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    destination(command, false)?;
    match ctx.get(&command[1]) {
        Some(_) => Err(WRONGTYPE.into()),
        None => Ok(Reply::Array(Vec::new())),
    }
}

/// Reads the options; returns the key after the last `STORE`, which only
/// `SORT` may have.
fn destination(command: &Command, may_store: bool) -> Result<Option<&[u8]>, ErrorReply> {
    let mut destination = None;
    let mut args = command.iter_from(2);
    while let Some(option) = args.next() {
        if is(option, "ASC") || is(option, "DESC") || is(option, "ALPHA") {
            continue;
        }
        let (wanted, store) = if is(option, "LIMIT") {
            (2, false)
        } else if is(option, "BY") || is(option, "GET") {
            (1, false)
        } else if may_store && is(option, "STORE") {
            (1, true)
        } else {
            (usize::MAX, false)
        };
        if args.len() < wanted {
            return Err(SYNTAX.into());
        }
        for arg in args.by_ref().take(wanted) {
            if wanted == 2 {
                integer(arg)?;
            } else if store {
                destination = Some(arg);
            }
        }
    }
    Ok(destination)
}
