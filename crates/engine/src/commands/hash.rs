//! The hash commands.

use std::collections::HashSet;

use bytes::BytesMut;
use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{
    Context, HASH_NOT_A_FLOAT, HASH_NOT_AN_INTEGER, Handler, NAN_OR_INFINITY, NOT_A_FLOAT, Need,
    Needs, OVERFLOW, SYNTAX,
    arguments::{integer, is},
    float::Float,
    scan::{ScanOptions, cursor},
};
use crate::{
    memory::{Absent, Hash, View, parse_integer},
    random::Random,
};

/// Fields that one `HRANDFIELD` chooses at the most; Redis has no limit and
/// can be made to use up its memory.
const RANDOM_AT_ONCE: usize = 16 << 20;

/// A random field of a hash in parts is chosen among so many neighbours in the
/// order of hashes: gaps between these differ, so the first field after a random
/// place would be far from uniform.
const NEIGHBOURS: usize = 64;

const COUNT_OUT_OF_RANGE: &str = "ERR value is out of range, value must between \
     -9223372036854775807 and 9223372036854775807";

/// The commands of this file and what runs them.
pub(super) const COMMANDS: &[(&str, Handler)] = &[
    ("hdel", hdel),
    ("hexists", hexists),
    ("hget", hget),
    ("hgetall", hgetall),
    ("hincrby", hincrby),
    ("hincrbyfloat", hincrbyfloat),
    ("hkeys", hkeys),
    ("hlen", hlen),
    ("hmget", hmget),
    ("hmset", hmset),
    ("hrandfield", hrandfield),
    ("hscan", hscan),
    ("hset", hset),
    ("hsetnx", hsetnx),
    ("hstrlen", hstrlen),
    ("hvals", hvals),
];

/// What the commands need of a hash in parts; of those that are not listed its
/// head is enough.
pub(super) const NEEDS: &[(&str, Needs)] = &[
    ("hdel", fields),
    ("hexists", fields),
    ("hget", fields),
    ("hgetall", |_| Need::All),
    ("hincrby", one_field),
    ("hincrbyfloat", one_field),
    ("hkeys", |_| Need::All),
    ("hmget", fields),
    ("hmset", fields_of_pairs),
    ("hrandfield", random_fields),
    ("hscan", scanned_fields),
    ("hset", fields_of_pairs),
    ("hsetnx", one_field),
    ("hstrlen", fields),
    ("hvals", |_| Need::All),
];

fn fields(_: &Command) -> Need {
    Need::Items { first: 2, step: 1 }
}

fn fields_of_pairs(_: &Command) -> Need {
    Need::Items { first: 2, step: 2 }
}

fn one_field(_: &Command) -> Need {
    Need::Items { first: 2, step: usize::MAX }
}

fn scanned_fields(command: &Command) -> Need {
    match ScanOptions::parse(command, 2) {
        Ok(options) => Need::From { place: options.cursor, items: options.count },
        Err(_) => Need::Head,
    }
}

fn random_fields(command: &Command) -> Need {
    match command.get(2).map(integer) {
        None => Need::Around { items: NEIGHBOURS },
        Some(Ok(count)) => Need::Around { items: neighbours(count) },
        Some(Err(_)) => Need::Head,
    }
}

type HashView<'a> = View<'a, Hash>;

/// The value of `field` in a hash that may not exist.
fn value_of<'a>(hash: Option<HashView<'a>>, field: &[u8]) -> Result<Option<&'a [u8]>, Absent> {
    match hash {
        Some(hash) => Ok(hash.of(field)?.and_then(|hash| hash.get(field))),
        None => Ok(None),
    }
}

/// Sets one field; returns whether it is new.
fn set_field(
    context: &mut Context<'_>,
    key: &[u8],
    field: &[u8],
    value: &[u8],
) -> Result<bool, ErrorReply> {
    context.edit(key, field, |hash: &mut Hash| hash.insert(field, value))
}

/// Sets the pairs that follow the key; returns how many fields are new.
fn set_pairs(context: &mut Context<'_>, command: &Command) -> Result<i64, ErrorReply> {
    if !command.len().is_multiple_of(2) {
        let name = String::from_utf8_lossy(command.name()).to_ascii_lowercase();
        return Err(format!("ERR wrong number of arguments for '{name}' command").into());
    }
    let mut new = 0;
    let mut args = command.iter_from(2);
    while let (Some(field), Some(value)) = (args.next(), args.next()) {
        new += i64::from(set_field(context, &command[1], field, value)?);
    }
    context.propagate(command);
    Ok(new)
}

fn hset(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    set_pairs(context, command).map(Reply::Integer)
}

fn hmset(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    set_pairs(context, command).map(|_| Reply::OK)
}

fn hsetnx(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, field, value) = (&command[1], &command[2], &command[3]);
    if value_of(context.view(key)?, field)?.is_some() {
        return Ok(Reply::Integer(0));
    }
    set_field(context, key, field, value)?;
    context.propagate(command);
    Ok(Reply::Integer(1))
}

fn hget(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let value = value_of(context.view(&command[1])?, &command[2])?;
    Ok(value.map_or(Reply::Null, Reply::bulk))
}

fn hmget(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hash = context.view::<Hash>(&command[1])?;
    let mut values = Vec::with_capacity(command.len() - 2);
    for field in command.iter_from(2) {
        values.push(value_of(hash, field)?.map_or(Reply::Null, Reply::bulk));
    }
    Ok(Reply::Array(values))
}

/// All of a hash, which may not exist.
fn all<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<Vec<&'a Hash>, ErrorReply> {
    match context.view::<Hash>(key)? {
        Some(hash) => Ok(hash.all()?),
        None => Ok(Vec::new()),
    }
}

fn hgetall(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hashes = all(context, &command[1])?;
    let items = || hashes.iter().flat_map(|hash| hash.iter()).flat_map(<[&[u8]; 2]>::from);
    let mut pairs = Vec::with_capacity(hashes.iter().map(|hash| hash.len()).sum());
    let mut replies = bulks(items(), items());
    while let (Some(field), Some(value)) = (replies.next(), replies.next()) {
        pairs.push((field, value));
    }
    Ok(Reply::Map(pairs))
}

fn hkeys(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hashes = all(context, &command[1])?;
    let fields = || hashes.iter().flat_map(|hash| hash.iter()).map(|(field, _)| field);
    Ok(Reply::Array(bulks(fields(), fields()).collect()))
}

fn hvals(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hashes = all(context, &command[1])?;
    let values = || hashes.iter().flat_map(|hash| hash.iter()).map(|(_, value)| value);
    Ok(Reply::Array(bulks(values(), values()).collect()))
}

/// Bulk strings of `items`, which come `again`: slices of one allocation
/// instead of an allocation each.
fn bulks<'a>(
    items: impl Iterator<Item = &'a [u8]>,
    again: impl Iterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Reply> {
    let mut all = BytesMut::new();
    items.for_each(|item| all.extend_from_slice(item));
    let mut all = all.freeze();
    again.map(move |item| Reply::Bulk(all.split_to(item.len())))
}

fn hlen(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hash = context.view::<Hash>(&command[1])?;
    Ok(Reply::Integer(hash.map_or(0, |hash| hash.len() as i64)))
}

fn hexists(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let value = value_of(context.view(&command[1])?, &command[2])?;
    Ok(Reply::Integer(i64::from(value.is_some())))
}

fn hstrlen(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let value = value_of(context.view(&command[1])?, &command[2])?;
    Ok(Reply::Integer(value.map_or(0, |value| value.len() as i64)))
}

fn hdel(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let key = &command[1];
    let mut removed = 0;
    for field in command.iter_from(2) {
        // What is not there is not changed either.
        if value_of(context.view(key)?, field)?.is_some() {
            context.edit(key, field, |hash: &mut Hash| hash.remove(field))?;
            removed += 1;
        }
    }
    if removed > 0 {
        context.remove_if_empty(key);
        context.propagate(command);
    }
    Ok(Reply::Integer(removed))
}

fn hincrby(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, field) = (&command[1], &command[2]);
    let increment = integer(&command[3])?;
    let old = match value_of(context.view(key)?, field)? {
        Some(value) => parse_integer(value).ok_or(HASH_NOT_AN_INTEGER)?,
        None => 0,
    };
    let new = old.checked_add(increment).ok_or(OVERFLOW)?;
    let mut digits = itoa::Buffer::new();
    let value = digits.format(new).as_bytes();
    set_field(context, key, field, value)?;
    context.propagate_as(&[b"HSET", key, field, value]);
    Ok(Reply::Integer(new))
}

fn hincrbyfloat(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, field) = (&command[1], &command[2]);
    // The increment is looked at first, so its error wins.
    let increment = Float::parse(&command[3]).ok_or(NOT_A_FLOAT)?;
    if !increment.is_finite() {
        return Err("ERR value is NaN or Infinity".into());
    }
    let old = value_of(context.view(key)?, field)?.unwrap_or(b"0");
    let old = Float::parse(old).ok_or(HASH_NOT_A_FLOAT)?;
    let new = old.add(increment).ok_or(NAN_OR_INFINITY)?.to_text();
    set_field(context, key, field, new.as_bytes())?;
    context.propagate_as(&[b"HSET", key, field, new.as_bytes()]);
    Ok(Reply::Bulk(new.into()))
}

/// The cursor is the place of the next field, so a field that stays for the
/// whole of a scan is found by it, into however many parts the hash is cut
/// meanwhile. A small hash is answered at once, as in Redis.
fn hscan(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    // As in Redis, a missing key is no place for wrong options.
    cursor(command, 2)?;
    let Some(hash) = context.view::<Hash>(&command[1])? else { return Ok(scanned(0, Vec::new())) };
    let options = ScanOptions::parse(command, 2)?;
    let (mut found, mut next) = match hash.whole().filter(|hash| hash.is_packed()) {
        Some(packed) => (packed.iter().map(|field| (0, field)).collect(), 0),
        None => fields_from(hash, options.cursor, options.count)?,
    };
    if found.len() > options.count && hash.whole().is_none_or(|hash| !hash.is_packed()) {
        // Fields of one place stay together: the cursor could not part them.
        let last = found.get(options.count - 1).map_or(0, |&(place, _)| place);
        let end = found.partition_point(|&(place, _)| place <= last);
        next = found.get(end).map_or(next, |&(place, _)| place);
        found.truncate(end);
    }
    let mut items = Vec::with_capacity(found.len() * 2);
    for (_, (field, value)) in found {
        if options.matches(field) {
            items.extend([Reply::bulk(field), Reply::bulk(value)]);
        }
    }
    Ok(scanned(next, items))
}

/// A field and its value.
type Field<'a> = (&'a [u8], &'a [u8]);

/// The fields in the order of their places, from `from` on, at least `count` if
/// there are as many; and where to go on, 0 at the end.
fn fields_from(
    hash: HashView<'_>,
    from: u64,
    count: usize,
) -> Result<(Vec<(u64, Field<'_>)>, u64), Absent> {
    let (hashes, until) = hash.from(from, count)?;
    let fields = hashes.into_iter().flat_map(Hash::iter);
    let placed = fields.map(|(field, value)| (hash.place(field), (field, value)));
    let mut found: Vec<_> = placed.filter(|&(place, _)| place >= from).collect();
    found.sort_unstable_by_key(|&(place, _)| place);
    Ok((found, until.wrapping_add(1)))
}

fn scanned(cursor: u64, items: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(cursor.to_string().as_bytes()), Reply::Array(items)])
}

fn hrandfield(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let Some(count) = command.get(2) else { return one_random_field(context, &command[1]) };
    let count = integer(count)?;
    if count == i64::MIN {
        return Err(COUNT_OUT_OF_RANGE.into());
    }
    let with_values = match command.get(3) {
        Some(option) if is(option, "WITHVALUES") && command.len() == 4 => true,
        Some(_) => return Err(SYNTAX.into()),
        None => false,
    };
    if with_values && !(-(i64::MAX / 2)..=i64::MAX / 2).contains(&count) {
        return Err("ERR value is out of range".into());
    }
    let (nested, draw) = (context.resp3, context.draw);
    // The choice among the fields takes randomness from the same context.
    let len = match context.view::<Hash>(&command[1])? {
        Some(hash) => around(hash, draw, neighbours(count))?.len(),
        None => return Ok(Reply::Array(Vec::new())),
    };
    let chosen = choose(context, len, count)?;
    let Some(hash) = context.view::<Hash>(&command[1])? else {
        return Ok(Reply::Array(Vec::new()));
    };
    let fields = around(hash, draw, neighbours(count))?;
    let mut items = Vec::with_capacity(chosen.len() * (1 + usize::from(with_values)));
    for &(field, value) in chosen.into_iter().filter_map(|index| fields.get(index)) {
        let (field, value) = (Reply::bulk(field), Reply::bulk(value));
        match (with_values, nested) {
            (false, _) => items.push(field),
            (true, true) => items.push(Reply::Array(vec![field, value])),
            (true, false) => items.extend([field, value]),
        }
    }
    Ok(Reply::Array(items))
}

/// A count of `HRANDFIELD` chooses among so many fields of a hash in parts.
fn neighbours(count: i64) -> usize {
    usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX).saturating_add(NEIGHBOURS)
}

/// All fields of a hash that is whole; of one in parts, at least `count` fields
/// from the place `draw` on, each once.
fn around(hash: HashView<'_>, draw: u64, count: usize) -> Result<Vec<Field<'_>>, Absent> {
    if let Some(hash) = hash.whole() {
        return Ok(hash.iter().collect());
    }
    let (mut found, _) = fields_from(hash, draw, count)?;
    if found.len() < count {
        let (first, _) = fields_from(hash, 0, count)?;
        found.extend(first.into_iter().take_while(|&(place, _)| place < draw));
    }
    Ok(found.into_iter().map(|(_, field)| field).collect())
}

fn one_random_field(context: &mut Context<'_>, key: &[u8]) -> Result<Reply, ErrorReply> {
    let (draw, random) = (context.draw, context.random.next());
    let Some(hash) = context.view::<Hash>(key)? else { return Ok(Reply::Null) };
    let mut random = Random::new(random);
    let field = match hash.whole() {
        Some(whole) => whole.at(random.below(whole.len())),
        None => {
            let fields = around(hash, draw, NEIGHBOURS)?;
            fields.get(random.below(fields.len())).copied()
        }
    };
    Ok(field.map_or(Reply::Null, |(field, _)| Reply::bulk(field)))
}

/// The numbers of the fields that `HRANDFIELD` with a count answers: a
/// negative count may repeat, a positive one does not.
fn choose(context: &mut Context<'_>, len: usize, count: i64) -> Result<Vec<usize>, ErrorReply> {
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
        return Ok((0..wanted).map(|_| context.random.below(len)).collect());
    }
    // Floyd's sampling: each step adds one number that was not chosen yet.
    let mut chosen = HashSet::with_capacity(wanted);
    for last in len - wanted..len {
        let candidate = context.random.below(last + 1);
        if !chosen.insert(candidate) {
            chosen.insert(last);
        }
    }
    Ok(chosen.into_iter().collect())
}
