//! Hashes: fields and values.

mod fields;
mod packed;

use bytes::BytesMut;
use tuckbox_resp::{Command, ErrorReply, Reply};

pub(crate) use self::fields::Hash;
use super::{Items, walk};
use crate::{
    commands::{
        Context, Float, Group, HASH_NOT_A_FLOAT, HASH_NOT_AN_INTEGER, Handler, NAN_OR_INFINITY,
        NOT_A_FLOAT, Need, Needs, OVERFLOW, SYNTAX, integer, is,
    },
    memory::{Absent, View, parse_integer},
};

const COUNT_OUT_OF_RANGE: &str = "ERR value is out of range, value must between \
     -9223372036854775807 and 9223372036854775807";

/// The commands on hashes.
const COMMANDS: Group = Group { runs: RUNS, needs: NEEDS };

const RUNS: &[(&str, Handler)] = &[
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

const NEEDS: &[(&str, Needs)] = &[
    ("hdel", fields),
    ("hexists", fields),
    ("hget", fields),
    ("hgetall", |_| Need::All),
    ("hincrby", one_field),
    ("hincrbyfloat", one_field),
    ("hkeys", |_| Need::All),
    ("hmget", fields),
    ("hmset", fields_of_pairs),
    ("hrandfield", walk::random_needs),
    ("hscan", walk::scan_needs),
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

fn hscan(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    walk::scan(context, command, Hash::is_packed, |(field, value), shown| {
        shown.extend([Reply::bulk(field), Reply::bulk(value)]);
    })
}

fn hrandfield(context: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let key = &command[1];
    let Some(count) = command.get(2) else {
        let field = walk::one_random::<Hash>(context, key)?;
        return Ok(field.map_or(Reply::Null, |(field, _)| Reply::bulk(field)));
    };
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
    let nested = context.resp3;
    let fields = walk::random::<Hash>(context, key, count)?;
    let mut items = Vec::with_capacity(fields.len() * (1 + usize::from(with_values)));
    for (field, value) in fields {
        let (field, value) = (Reply::bulk(field), Reply::bulk(value));
        match (with_values, nested) {
            (false, _) => items.push(field),
            (true, true) => items.push(Reply::Array(vec![field, value])),
            (true, false) => items.extend([field, value]),
        }
    }
    Ok(Reply::Array(items))
}

#[cfg(test)]
mod tests;
