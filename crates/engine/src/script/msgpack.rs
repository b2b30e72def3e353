//! `cmsgpack`: MessagePack, with the choices that the library of that name makes.

mod decode;
mod encode;

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};

use self::decode::Wrong;
use super::{
    arguments::{bytes_of, integer, type_name},
    call::no_script,
    output::Output,
    raised::Raised,
    stage::Stage,
};

/// The library, as `prelude.lua` completes it: `pack` takes its values in a table
/// and their count, and the others answer such a table and its count.
///
/// # Errors
/// When there is no memory.
pub(super) fn library(lua: &Lua, stage: &Arc<Stage>) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    let on = Arc::clone(stage);
    let pack = lua.create_function(move |lua, (values, count): (Table, usize)| {
        let room = on.lock().as_ref().ok_or_else(no_script)?.memory;
        if count == 0 {
            return Err(Raised::argument(lua, 0, "pack", "MessagePack pack needs input."));
        }
        let mut out = Output::new(room, &on, "cmsgpack.pack");
        for index in 1..=count {
            encode::write(&values.raw_get(index)?, 0, &mut out)?;
        }
        lua.create_string(&out.bytes)
    })?;
    library.raw_set("pack", pack)?;
    let unpack = |lua: &Lua, args: MultiValue| read(lua, &args, "unpack", Span::ALL);
    library.raw_set("unpack", lua.create_function(unpack)?)?;
    let unpack_one = |lua: &Lua, args: MultiValue| {
        let offset = integer(lua, &args, 1, "unpack_one", Some(0))?;
        read(lua, &args, "unpack_one", Span { limit: 1, offset })
    };
    library.raw_set("unpack_one", lua.create_function(unpack_one)?)?;
    let unpack_limit = |lua: &Lua, args: MultiValue| {
        let limit = integer(lua, &args, 1, "unpack_limit", None)?;
        let offset = integer(lua, &args, 2, "unpack_limit", Some(0))?;
        read(lua, &args, "unpack_limit", Span { limit, offset })
    };
    library.raw_set("unpack_limit", lua.create_function(unpack_limit)?)?;
    Ok(library)
}

/// How many values to read, and after how many bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    limit: i64,
    offset: i64,
}

impl Span {
    /// All values; no offset is answered then.
    const ALL: Self = Self { limit: 0, offset: 0 };
}

/// Reads the values in argument 1. Answers them in a table, after the offset of
/// what follows unless all are read, and their count.
fn read(lua: &Lua, args: &MultiValue, function: &str, span: Span) -> mlua::Result<(Table, usize)> {
    let Some(text) = args.iter().next().and_then(bytes_of) else {
        let got = args.iter().next().map_or("no value", type_name);
        let why = format!("string expected, got {got}");
        return Err(Raised::argument(lua, 1, function, &why));
    };
    let Span { limit, offset } = span;
    let Ok(limit) = usize::try_from(limit) else { return Err(senseless(lua, offset, text.len())) };
    let Ok(start) = usize::try_from(offset) else { return Err(senseless(lua, offset, text.len())) };
    if start > text.len() {
        let len = text.len();
        let why = format_args!("Start offset {offset} greater than input length {len}.");
        return Err(Raised::here(lua, why));
    }
    let all = span == Span::ALL;
    let results = lua.create_table()?;
    let mut count = usize::from(!all);
    let mut reader = decode::Reader::new(lua, &text[start..]);
    let most = if all { usize::MAX } else { limit };
    for read in 0.. {
        if read == most || reader.is_at_end() {
            break;
        }
        let value = match reader.value(count) {
            Ok(value) => value,
            Err(Wrong::Text(why)) => return Err(Raised::here(lua, why)),
            Err(Wrong::Plain(why)) => return Err(Raised::plain(why)),
            Err(Wrong::Lua(error)) => return Err(error),
        };
        count += 1;
        results.raw_seti(count, value)?;
    }
    if !all {
        let rest = reader.rest();
        let next = if rest == 0 { -1 } else { (text.len() - rest) as i64 };
        results.raw_seti(1, Value::Integer(next))?;
    }
    Ok((results, count))
}

/// The error of a limit or an offset below 0, as the library words it.
fn senseless(lua: &Lua, offset: i64, len: usize) -> mlua::Error {
    let (offset, len) = (offset as i32, len as i32);
    let why = format_args!("Invalid request to unpack with offset of {offset} and limit of {len}.");
    Raised::here(lua, why)
}
