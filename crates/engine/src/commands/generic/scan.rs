//! Walking the keys: `SCAN`, `KEYS` and `RANDOMKEY`.
//!
//! All three go through the keys in the order of their hashes' places, in
//! memory and in the store alike, so one list is merged from two. A key that
//! is there throughout has the same place throughout: wherever it is read
//! from, a walk meets it exactly once.

use tuckbox_resp::{Command, ErrorReply, Reply};

use crate::{
    commands::{Cold, ColdKey, Context, Walk, is, scan::ScanOptions},
    database::Call,
    memory::{Keyspace, Residency, glob},
    random::Random,
    types::Kind,
};

/// `RANDOMKEY` chooses among so many neighbours. Gaps between places differ,
/// so the first key after a random place would be far from uniform; the gaps
/// before a row of 64 keys differ by an eighth in sum.
const NEIGHBOURS: usize = 64;

/// Deleted and expired keys that a step passes over per key that it wants,
/// before it answers with fewer.
const PASS_AT_MOST: usize = 10;

const ONE_WALK: &str = "ERR Only the first SCAN, KEYS or RANDOMKEY of a transaction can reach keys \
     that are not in memory. Send them one by one.";

/// A live key on the way.
struct Found<'a> {
    place: u64,
    key: &'a [u8],
    kind: Kind,
}

/// The places that `SCAN`, `KEYS` and `RANDOMKEY` walk. `None` when the
/// arguments are wrong, which the command itself will say.
pub(crate) fn walk(call: &Call, gone: usize, random: &mut Random) -> Option<Walk> {
    match call.spec.name {
        "scan" => {
            let options = ScanOptions::parse(&call.command, 1).ok()?;
            // One more: the cursor is the place of the first key of the next step.
            let count = options.count.saturating_add(1);
            Some(Walk { from: options.cursor, count, wraps: false })
        }
        "keys" => Some(Walk { from: 0, count: usize::MAX, wraps: false }),
        "randomkey" => {
            // However many of the neighbours are gone by now, some are left.
            let count = NEIGHBOURS.saturating_add(gone);
            Some(Walk { from: random.next(), count, wraps: true })
        }
        _ => None,
    }
}

pub(super) fn scan(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let options = ScanOptions::parse(command, 1)?;
    let cold = cold_from(ctx, options.cursor)?.map(|cold| (&*cold.keys, cold.until));
    let wanted = options.count.saturating_add(1);
    let patience = wanted.saturating_mul(PASS_AT_MOST);
    let keyspace = &ctx.keyspaces[ctx.db];
    let (mut found, until) = list(keyspace, cold, options.cursor, wanted, patience, ctx.now);
    let mut next = until.checked_add(1).unwrap_or(0);
    if found.len() > options.count {
        // Keys of one place stay together: the cursor could not part them.
        let last = found[options.count - 1].place;
        let end = found.partition_point(|found| found.place <= last);
        if let Some(first) = found.get(end) {
            next = first.place;
        }
        found.truncate(end);
    }
    let of_kind = |found: &Found<'_>| options.kind.is_none_or(|kind| is(kind, found.kind.name()));
    let shown = found.iter().filter(|found| options.matches(found.key) && of_kind(found));
    let keys = shown.map(|found| Reply::bulk(found.key)).collect();
    let cursor = itoa::Buffer::new().format(next).to_owned();
    Ok(Reply::Array(vec![Reply::Bulk(cursor.into()), Reply::Array(keys)]))
}

pub(super) fn keys(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let pattern = &command[1];
    let cold = cold_from(ctx, 0)?;
    if cold.is_some_and(|cold| cold.until < u64::MAX) {
        return Err(ONE_WALK.into());
    }
    let cold = cold.map(|cold| (&*cold.keys, cold.until));
    let (found, _) = list(&ctx.keyspaces[ctx.db], cold, 0, usize::MAX, usize::MAX, ctx.now);
    let matching = found.iter().filter(|found| glob(pattern, found.key));
    Ok(Reply::Array(matching.map(|found| Reply::bulk(found.key)).collect()))
}

pub(super) fn randomkey(ctx: &mut Context<'_>, _command: &Command) -> Result<Reply, ErrorReply> {
    let keyspace = &ctx.keyspaces[ctx.db];
    let partial = keyspace.residency() == Residency::Partial;
    let here = |cold: &&Cold| partial && cold.keyspace == keyspace.id();
    let mut neighbours = match ctx.cold.filter(here) {
        Some(cold) => circle_with(keyspace, cold, ctx.now),
        None => Vec::new(),
    };
    if neighbours.is_empty() {
        neighbours = circle(keyspace, ctx.random.next(), ctx.now);
    }
    neighbours.truncate(NEIGHBOURS);
    match neighbours.get(ctx.random.below(neighbours.len())) {
        Some(chosen) => Ok(Reply::bulk(chosen.key)),
        None => Ok(Reply::Null),
    }
}

/// The keys in memory that come after the place `from`, the first ones again
/// after the last; enough to choose from, if there are.
fn circle(keyspace: &Keyspace, from: u64, now: u64) -> Vec<Found<'_>> {
    let mut row = Vec::new();
    for (mut place, end) in [(from, u64::MAX), (0, from)] {
        while row.len() < NEIGHBOURS && place < end {
            let (found, until) =
                list(keyspace, None, place, NEIGHBOURS - row.len(), usize::MAX, now);
            row.extend(found.into_iter().take_while(|found| found.place < end));
            place = until.saturating_add(1);
        }
    }
    row
}

/// The keys in memory and in `cold` from where that begins; the first ones
/// again after the last if it ends before where it begins.
fn circle_with<'a>(keyspace: &'a Keyspace, cold: &'a Cold, now: u64) -> Vec<Found<'a>> {
    let round = cold.until < cold.from;
    let turn = cold.keys.partition_point(|key| key.place >= cold.from);
    let (ahead, behind) = cold.keys.split_at(turn);
    let until = if round { u64::MAX } else { cold.until };
    let mut row = list(keyspace, Some((ahead, until)), cold.from, NEIGHBOURS, usize::MAX, now).0;
    if round && row.len() < NEIGHBOURS {
        let wanted = NEIGHBOURS - row.len();
        let (found, _) = list(keyspace, Some((behind, cold.until)), 0, wanted, usize::MAX, now);
        row.extend(found.into_iter().take_while(|found| found.place < cold.from));
    }
    row
}

/// What was read from the store for a walk that is now at `from`; `None` when
/// memory has all keys.
///
/// # Errors
/// When memory does not have them all and what was read is for another walk.
fn cold_from<'a>(ctx: &Context<'a>, from: u64) -> Result<Option<&'a Cold>, ErrorReply> {
    let keyspace = &ctx.keyspaces[ctx.db];
    if keyspace.residency() == Residency::Complete {
        return Ok(None);
    }
    let id = keyspace.id();
    let here = |cold: &&Cold| cold.keyspace == id && (cold.from..=cold.until).contains(&from);
    Ok(Some(ctx.cold.filter(here).ok_or(ONE_WALK)?))
}

/// The live keys in the order of their places, from `from` on, at least
/// `count` of them if it gets that far; and up to which place (inclusive) the
/// list is complete. `cold` has the keys in the store, in order, and up to where
/// they are complete; `None` when memory alone is asked.
fn list<'a>(
    keyspace: &'a Keyspace,
    cold: Option<(&'a [ColdKey], u64)>,
    from: u64,
    count: usize,
    patience: usize,
    now: u64,
) -> (Vec<Found<'a>>, u64) {
    let (cold, cold_until) = cold.unwrap_or((&[], u64::MAX));
    let mut patience = patience;
    let mut found = Vec::new();
    let mut place = from;
    loop {
        let (listed, until) = keyspace.list(place, count - found.len(), now);
        let until = until.min(cold_until);
        patience = patience.saturating_sub(listed.len());
        let start = found.len();
        let first = cold.partition_point(|key| key.place < place);
        let here = cold[first..].iter().take_while(|key| key.place <= until);
        for key in here.filter(|key| key.expire_at == 0 || key.expire_at > now) {
            // Memory knows better, also that a key is gone.
            let same_place = listed.partition_point(|listed| listed.place < key.place);
            let mut known =
                listed[same_place..].iter().take_while(|listed| listed.place == key.place);
            if !known.any(|listed| *listed.key == *key.key) {
                found.push(Found { place: key.place, key: &key.key, kind: key.kind });
            }
        }
        for listed in listed.iter().take_while(|listed| listed.place <= until) {
            if let Some(kind) = listed.kind {
                found.push(Found { place: listed.place, key: listed.key, kind });
            }
        }
        // Two rows in order: a merge, not a sort.
        found[start..].sort_by_key(|found| found.place);
        if found.len() >= count || until >= cold_until || patience == 0 {
            return (found, until);
        }
        place = until + 1;
    }
}
