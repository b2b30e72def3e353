//! Going through the items of a value, whole or in parts: step by step, and at
//! random.
//!
//! The order is that of the items' places. An item that stays for the whole of a
//! scan is found by it, into however many parts the value is cut meanwhile.

use std::collections::HashSet;

use tuckbox_resp::{Command, ErrorReply, Reply};

use super::Typed;
use crate::{
    commands::{Context, Need, ScanOptions, cursor, integer},
    memory::{Absent, View},
    random::Random,
};

/// Items that are chosen at random at one time; Redis has no limit and can be
/// made to use up its memory.
const RANDOM_AT_ONCE: usize = 16 << 20;

/// A random item of a value in parts is chosen among so many neighbours in the
/// order of places: gaps between these differ, so the first item after a random
/// place would be far from uniform.
const NEIGHBOURS: usize = 64;

/// An item: its name, and what goes with it.
pub(super) type Item<'a> = (&'a [u8], &'a [u8]);

/// What [`scan`] needs.
pub(super) fn scan_needs(command: &Command) -> Need {
    match ScanOptions::parse(command, 2) {
        Ok(options) => Need::From { place: options.cursor, items: options.count },
        Err(_) => Need::Head,
    }
}

/// What [`random`] and [`one_random`] need, when a count is the second argument.
pub(super) fn random_needs(command: &Command) -> Need {
    match command.get(2).map(integer) {
        None => Need::Around { items: NEIGHBOURS },
        Some(Ok(count)) => Need::Around { items: neighbours(count) },
        Some(Err(_)) => Need::Head,
    }
}

/// Answers `HSCAN` and its kin: the cursor is the place of the next item. What
/// lies packed is answered at once, as in Redis. `show` adds what is answered of
/// an item.
pub(super) fn scan<T: Typed>(
    context: &mut Context<'_>,
    command: &Command,
    is_packed: impl Fn(&T) -> bool,
    show: impl Fn(Item<'_>, &mut Vec<Reply>),
) -> Result<Reply, ErrorReply> {
    // As in Redis, a missing key is no place for wrong options.
    cursor(command, 2)?;
    let Some(view) = context.view::<T>(&command[1])? else { return Ok(scanned(0, Vec::new())) };
    let options = ScanOptions::parse(command, 2)?;
    let (found, next) = match view.whole().filter(|items| is_packed(items)) {
        Some(packed) => (packed.iter().map(|item| (0, item)).collect(), 0),
        None => step(view, options.cursor, options.count)?,
    };
    let mut shown = Vec::with_capacity(found.len());
    for (_, item) in found {
        if options.matches(item.0) {
            show(item, &mut shown);
        }
    }
    Ok(scanned(next, shown))
}

fn scanned(cursor: u64, items: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(cursor.to_string().as_bytes()), Reply::Array(items)])
}

/// About `count` items from a place on, and the place of the next one; 0 at the
/// end.
fn step<T: Typed>(view: View<'_, T>, from: u64, count: usize) -> Result<Places<'_>, Absent> {
    let (mut found, mut next) = items_from(view, from, count)?;
    // Items of one place stay together: the cursor could not part them.
    if let Some(&(last, _)) = found.get(count.saturating_sub(1)) {
        let end = found.partition_point(|&(place, _)| place <= last);
        next = found.get(end).map_or(next, |&(place, _)| place);
        found.truncate(end);
    }
    Ok((found, next))
}

/// Items with their places, in this order, and the place after the last.
type Places<'a> = (Vec<(u64, Item<'a>)>, u64);

/// The items in the order of their places, from `from` on, at least `count` if
/// there are as many; and where to go on, 0 at the end.
fn items_from<T: Typed>(view: View<'_, T>, from: u64, count: usize) -> Result<Places<'_>, Absent> {
    let (structures, until) = view.from(from, count)?;
    let items = structures.into_iter().flat_map(T::iter);
    let placed = items.map(|item| (view.place(item.0), item));
    let mut found: Vec<_> = placed.filter(|&(place, _)| place >= from).collect();
    found.sort_unstable_by_key(|&(place, _)| place);
    Ok((found, until.wrapping_add(1)))
}

/// One random item; `None` when there is no such key.
pub(super) fn one_random<'a, T: Typed>(
    context: &'a mut Context<'_>,
    key: &[u8],
) -> Result<Option<Item<'a>>, ErrorReply> {
    let (draw, random) = (context.draw, context.random.next());
    let Some(view) = context.view::<T>(key)? else { return Ok(None) };
    let mut random = Random::new(random);
    Ok(match view.whole() {
        Some(whole) => whole.at(random.below(whole.len())),
        None => {
            let items = around(view, draw, NEIGHBOURS)?;
            items.get(random.below(items.len())).copied()
        }
    })
}

/// As many random items as `count` says: a negative one may repeat them, a
/// positive one does not.
pub(super) fn random<'a, T: Typed>(
    context: &'a mut Context<'_>,
    key: &[u8],
    count: i64,
) -> Result<Vec<Item<'a>>, ErrorReply> {
    let draw = context.draw;
    // The choice takes randomness from the context that lends the items.
    let len = match context.view::<T>(key)? {
        Some(view) => around(view, draw, neighbours(count))?.len(),
        None => return Ok(Vec::new()),
    };
    let chosen = choose(context.random, len, count)?;
    let Some(view) = context.view::<T>(key)? else { return Ok(Vec::new()) };
    let items = around(view, draw, neighbours(count))?;
    Ok(chosen.into_iter().filter_map(|index| items.get(index).copied()).collect())
}

/// A count of items is chosen among so many of a value in parts.
fn neighbours(count: i64) -> usize {
    usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX).saturating_add(NEIGHBOURS)
}

/// All items of a value that is whole; of one in parts, at least `count` from the
/// place `draw` on, each once.
fn around<T: Typed>(view: View<'_, T>, draw: u64, count: usize) -> Result<Vec<Item<'_>>, Absent> {
    if let Some(whole) = view.whole() {
        return Ok(whole.iter().collect());
    }
    let (mut found, _) = items_from(view, draw, count)?;
    if found.len() < count {
        let (first, _) = items_from(view, 0, count)?;
        found.extend(first.into_iter().take_while(|&(place, _)| place < draw));
    }
    Ok(found.into_iter().map(|(_, item)| item).collect())
}

/// The numbers, below `len`, of the items that a count chooses.
fn choose(random: &mut Random, len: usize, count: i64) -> Result<Vec<usize>, ErrorReply> {
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if len == 0 || wanted == 0 {
        return Ok(Vec::new());
    }
    if count > 0 && wanted >= len {
        return Ok((0..len).collect());
    }
    if wanted > RANDOM_AT_ONCE {
        return Err("ERR value is out of range".into());
    }
    if count < 0 {
        return Ok((0..wanted).map(|_| random.below(len)).collect());
    }
    // Floyd's sampling: each step adds one number that was not chosen yet.
    let mut chosen = HashSet::with_capacity(wanted);
    for last in len - wanted..len {
        let candidate = random.below(last + 1);
        if !chosen.insert(candidate) {
            chosen.insert(last);
        }
    }
    Ok(chosen.into_iter().collect())
}
