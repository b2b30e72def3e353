//! The hash commands.

use std::collections::HashSet;

use bytes::BytesMut;
use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{
    Context, HASH_NOT_A_FLOAT, HASH_NOT_AN_INTEGER, Handler, NAN_OR_INFINITY, NOT_A_FLOAT,
    OVERFLOW, SYNTAX,
    arguments::{integer, is},
    float::Float,
    scan::{ScanOptions, cursor},
};
use crate::memory::{Hash, Kind, Value, parse_integer};

/// Fields that one `HRANDFIELD` chooses at the most; Redis has no limit and
/// can be made to use up its memory.
const RANDOM_AT_ONCE: usize = 16 << 20;

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

/// Runs `change` on the hash at `key`, which is made when there is none.
fn change_hash<R>(
    context: &mut Context<'_>,
    key: &[u8],
    change: impl FnOnce(&mut Hash) -> R,
) -> Result<R, ErrorReply> {
    if let Some(mut slot) = context.slot_of(key, Kind::Hash)? {
        return slot.change(|value| match value {
            Value::Hash(hash) => Ok(change(hash)),
            Value::Str(_) => Err(super::WRONGTYPE.into()),
        });
    }
    let mut hash = Hash::new();
    let result = change(&mut hash);
    context.set(key, Value::Hash(Box::new(hash)), 0);
    Ok(result)
}

/// Sets the pairs that follow the key; returns how many fields are new.
fn set_pairs(context: &mut Context<'_>, command: &Command) -> Result<i64, ErrorReply> {
    if !command.len().is_multiple_of(2) {
        let name = String::from_utf8_lossy(command.name()).to_ascii_lowercase();
        return Err(format!("ERR wrong number of arguments for '{name}' command").into());
    }
    let new = change_hash(context, &command[1], |hash| {
        let mut new = 0;
        let mut args = command.iter_from(2);
        while let (Some(field), Some(value)) = (args.next(), args.next()) {
            new += i64::from(hash.insert(field, value));
        }
        new
    })?;
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
    if context.hash(key)?.is_some_and(|hash| hash.get(field).is_some()) {
        return Ok(Reply::Integer(0));
    }
    change_hash(context, key, |hash| hash.insert(field, value))?;
    context.propagate(command);
    Ok(Reply::Integer(1))
}

fn hget(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hash = context.hash(&command[1])?;
    Ok(hash.and_then(|hash| hash.get(&command[2])).map_or(Reply::Null, Reply::bulk))
}

fn hmget(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hash = context.hash(&command[1])?;
    let value = |field| hash.and_then(|hash| hash.get(field)).map_or(Reply::Null, Reply::bulk);
    Ok(Reply::Array(command.iter_from(2).map(value).collect()))
}

fn hgetall(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let Some(hash) = context.hash(&command[1])? else { return Ok(Reply::Map(Vec::new())) };
    let items = || hash.iter().flat_map(|(field, value)| [field, value]);
    let mut pairs = Vec::with_capacity(hash.len());
    let mut replies = bulks(items(), items());
    while let (Some(field), Some(value)) = (replies.next(), replies.next()) {
        pairs.push((field, value));
    }
    Ok(Reply::Map(pairs))
}

fn hkeys(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let Some(hash) = context.hash(&command[1])? else { return Ok(Reply::Array(Vec::new())) };
    let fields = || hash.iter().map(|(field, _)| field);
    Ok(Reply::Array(bulks(fields(), fields()).collect()))
}

fn hvals(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let Some(hash) = context.hash(&command[1])? else { return Ok(Reply::Array(Vec::new())) };
    let values = || hash.iter().map(|(_, value)| value);
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
    let hash = context.hash(&command[1])?;
    Ok(Reply::Integer(hash.map_or(0, |hash| hash.len() as i64)))
}

fn hexists(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hash = context.hash(&command[1])?;
    let found = hash.is_some_and(|hash| hash.get(&command[2]).is_some());
    Ok(Reply::Integer(i64::from(found)))
}

fn hstrlen(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let hash = context.hash(&command[1])?;
    let value = hash.and_then(|hash| hash.get(&command[2]));
    Ok(Reply::Integer(value.map_or(0, |value| value.len() as i64)))
}

fn hdel(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let key = &command[1];
    let Some(hash) = context.hash(key)? else { return Ok(Reply::Integer(0)) };
    if !command.iter_from(2).any(|field| hash.get(field).is_some()) {
        return Ok(Reply::Integer(0));
    }
    let (removed, left) = change_hash(context, key, |hash| {
        let removed = command.iter_from(2).filter(|field| hash.remove(field)).count();
        (removed, hash.len())
    })?;
    if left == 0 {
        context.remove(key);
    }
    context.propagate(command);
    Ok(Reply::Integer(removed as i64))
}

fn hincrby(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let (key, field) = (&command[1], &command[2]);
    let increment = integer(&command[3])?;
    let hash = context.hash(key)?;
    let old = match hash.and_then(|hash| hash.get(field)) {
        Some(value) => parse_integer(value).ok_or(HASH_NOT_AN_INTEGER)?,
        None => 0,
    };
    let new = old.checked_add(increment).ok_or(OVERFLOW)?;
    let mut digits = itoa::Buffer::new();
    let value = digits.format(new).as_bytes();
    change_hash(context, key, |hash| hash.insert(field, value))?;
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
    let hash = context.hash(key)?;
    let old = hash.and_then(|hash| hash.get(field)).unwrap_or(b"0");
    let old = Float::parse(old).ok_or(HASH_NOT_A_FLOAT)?;
    let new = old.add(increment).ok_or(NAN_OR_INFINITY)?.to_text();
    change_hash(context, key, |hash| hash.insert(field, new.as_bytes()))?;
    context.propagate_as(&[b"HSET", key, field, new.as_bytes()]);
    Ok(Reply::Bulk(new.into()))
}

fn hscan(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    // As in Redis, a missing key is no place for wrong options.
    cursor(command, 2)?;
    let Some(hash) = context.hash(&command[1])? else { return Ok(scanned(0, Vec::new())) };
    let options = ScanOptions::parse(command, 2)?;
    let (found, next) = hash.scan(options.cursor, options.count);
    let mut items = Vec::with_capacity(found.len() * 2);
    for (field, value) in found {
        if options.matches(field) {
            items.extend([Reply::bulk(field), Reply::bulk(value)]);
        }
    }
    Ok(scanned(next, items))
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
    let len = context.hash(&command[1])?.map_or(0, Hash::len);
    let chosen = choose(context, len, count)?;
    let nested = context.resp3;
    let Some(hash) = context.hash(&command[1])? else { return Ok(Reply::Array(Vec::new())) };
    let mut items = Vec::with_capacity(chosen.len() * (1 + usize::from(with_values)));
    for (field, value) in chosen.into_iter().filter_map(|index| hash.at(index)) {
        let (field, value) = (Reply::bulk(field), Reply::bulk(value));
        match (with_values, nested) {
            (false, _) => items.push(field),
            (true, true) => items.push(Reply::Array(vec![field, value])),
            (true, false) => items.extend([field, value]),
        }
    }
    Ok(Reply::Array(items))
}

fn one_random_field(context: &mut Context<'_>, key: &[u8]) -> Result<Reply, ErrorReply> {
    let len = context.hash(key)?.map_or(0, Hash::len);
    let index = context.random.below(len);
    let field = context.hash(key)?.and_then(|hash| hash.at(index));
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
