//! The commands on whole logical databases, and the time.

use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{Context, Group, Handler, SYNTAX, is};
use crate::{
    database::LOGICAL,
    memory::{Keyspace, parse_integer},
};

/// The commands of this file and what runs them.
pub(super) const COMMANDS: Group = Group { runs: RUNS, needs: &[] };

const RUNS: &[(&str, Handler)] = &[
    ("dbsize", dbsize),
    ("flushall", flushall),
    ("flushdb", flushdb),
    ("swapdb", swapdb),
    ("time", time),
];

fn dbsize(ctx: &mut Context<'_>, _command: &Command) -> Result<Reply, ErrorReply> {
    Ok(Reply::Integer(i64::try_from(ctx.keyspaces[ctx.db].len()).unwrap_or(i64::MAX)))
}

fn flushdb(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    flush(ctx, command, ctx.db..ctx.db + 1)
}

fn flushall(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    flush(ctx, command, 0..ctx.keyspaces.len())
}

/// Both `ASYNC` and `SYNC` empty the database at once and free its memory in
/// the background.
fn flush(
    ctx: &mut Context<'_>,
    command: &Command,
    databases: std::ops::Range<usize>,
) -> Result<Reply, ErrorReply> {
    match command.get(1) {
        None => {}
        Some(mode) if command.len() == 2 && (is(mode, "ASYNC") || is(mode, "SYNC")) => {}
        Some(_) => return Err(SYNTAX.into()),
    }
    let mut flushed = false;
    for db in databases {
        if ctx.keyspaces[db].len() > 0 {
            ctx.flush(db);
            flushed = true;
        }
    }
    if flushed {
        ctx.propagate(command);
    }
    Ok(Reply::OK)
}

fn swapdb(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let one = logical(&command[1], "ERR invalid first DB index")?;
    let two = logical(&command[2], "ERR invalid second DB index")?;
    let (Some(one), Some(two)) = (one, two) else {
        return Err("ERR DB index is out of range".into());
    };
    if let Ok([first, second]) = ctx.keyspaces.get_disjoint_mut([one, two]) {
        if first.len() == 0 && second.len() == 0 {
            return Ok(Reply::OK);
        }
        std::mem::swap(first, second);
        keep_watchers(first, second, ctx.now);
        first.moved(ctx.version);
        second.moved(ctx.version);
        ctx.flushes.moved();
        ctx.propagate(command);
    }
    Ok(Reply::OK)
}

/// The two logical databases of `SWAPDB`; `None` when it is wrong.
pub(super) fn swapped(command: &Command) -> Option<(usize, usize)> {
    let number = |index| logical(command.get(index)?, "").ok()?;
    Some((number(1)?, number(2)?))
}

/// The number of a logical database, `None` when there is no such; `invalid`
/// when `arg` is no number.
fn logical(arg: &[u8], invalid: &'static str) -> Result<Option<usize>, ErrorReply> {
    let number = parse_integer(arg).and_then(|n| i32::try_from(n).ok()).ok_or(invalid)?;
    Ok(usize::try_from(number).ok().filter(|&db| db < LOGICAL))
}

/// Who watches a key watches a logical database's, not a keyspace's: brings
/// the watchers of two that were swapped back, and tells those whose key was
/// there or is there now. One that has expired there is not.
fn keep_watchers(one: &mut Keyspace, two: &mut Keyspace, now: u64) {
    // An empty keyspace takes anyone in and tells nobody.
    let [mut of_one, mut of_two] =
        [two.id(), one.id()].map(|id| Keyspace::new(id, Default::default()));
    two.hand_over_watchers(&mut of_one);
    one.hand_over_watchers(&mut of_two);
    for (keyspace, own) in [(one, &mut of_one), (two, &mut of_two)] {
        own.watched().for_each(|key| _ = keyspace.get(key, now));
        own.hand_over_watchers(keyspace);
        keyspace.hand_over_watchers(own);
        own.hand_over_watchers(keyspace);
    }
}

/// Seconds and microseconds, of which the clock knows the thousands.
fn time(ctx: &mut Context<'_>, _command: &Command) -> Result<Reply, ErrorReply> {
    let part = |n: u64| Reply::Bulk(itoa::Buffer::new().format(n).to_owned().into());
    Ok(Reply::Array(vec![part(ctx.now / 1000), part(ctx.now % 1000 * 1000)]))
}
