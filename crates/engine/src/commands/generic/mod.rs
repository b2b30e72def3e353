//! The commands on keys of any type.

pub(crate) mod dump;
mod expire;
mod object;
mod replicas;
mod scan;
mod sort;
#[cfg(test)]
mod tests;
mod transfer;

use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{Context, Group, Handler, Need, Needs};

pub(super) use scan::walk;
pub(super) use transfer::key_elsewhere;

/// The commands of this group and what runs them.
pub(super) const COMMANDS: Group = Group { runs: RUNS, needs: NEEDS };

const RUNS: &[(&str, Handler)] = &[
    ("copy", transfer::copy),
    ("del", del),
    ("dump", dump::dump),
    ("exists", exists),
    ("expire", expire::expire),
    ("expireat", expire::expireat),
    ("expiretime", expire::expiretime),
    ("keys", scan::keys),
    ("memory", object::memory),
    ("migrate", replicas::migrate),
    ("move", transfer::move_key),
    ("object", object::object),
    ("persist", expire::persist),
    ("pexpire", expire::pexpire),
    ("pexpireat", expire::pexpireat),
    ("pexpiretime", expire::pexpiretime),
    ("pttl", expire::pttl),
    ("randomkey", scan::randomkey),
    ("rename", transfer::rename),
    ("renamenx", transfer::renamenx),
    ("restore", dump::restore),
    ("scan", scan::scan),
    ("sort", sort::sort),
    ("sort_ro", sort::sort_ro),
    ("touch", exists),
    ("ttl", expire::ttl),
    ("type", type_of),
    ("unlink", del),
    ("wait", replicas::wait),
    ("waitaof", replicas::waitaof),
];

const NEEDS: &[(&str, Needs)] =
    &[("copy", |_| Need::All), ("dump", |_| Need::All), ("move", |_| Need::All)];

/// `DEL` and `UNLINK`: a large value is always freed in the background.
fn del(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let mut removed = 0;
    for key in command.iter_from(1) {
        removed += i64::from(ctx.remove(key));
    }
    if removed > 0 {
        ctx.propagate(command);
    }
    Ok(Reply::Integer(removed))
}

/// `EXISTS` and `TOUCH`: looking a key up is using it.
fn exists(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let mut found = 0;
    for key in command.iter_from(1) {
        found += i64::from(ctx.get(key).is_some());
    }
    Ok(Reply::Integer(found))
}

fn type_of(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let name = ctx.get(&command[1]).map_or("none", |value| value.kind().name());
    Ok(Reply::Simple(name.into()))
}
