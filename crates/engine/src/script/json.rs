//! `cjson`: JSON, with the choices that the library of that name makes.

mod decode;
mod encode;

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};

use super::{
    arguments::{bytes_of, number_of, type_name},
    call::no_script,
    library::set_with_stage,
    raised::Raised,
    stage::{Acting, Stage},
};

/// Tables within tables that any setting allows: the walk is recursive.
const DEEPEST: usize = 1000;

/// What a script may set. Every script begins with these defaults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// A sparse list becomes an object rather than an error.
    sparse_as_object: bool,
    /// A list is sparse when it is so many times longer than its elements; 0:
    /// never.
    sparse_ratio: usize,
    /// Lists up to this are never sparse.
    sparse_safe: usize,
    encode_depth: usize,
    decode_depth: usize,
    digits: usize,
    /// What becomes of numbers that JSON does not have.
    encode_invalid: Invalid,
    decode_invalid: bool,
    keep_buffer: bool,
}

/// What is written for a number that JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Invalid {
    Error,
    AsText,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparse_as_object: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: DEEPEST,
            decode_depth: DEEPEST,
            digits: 14,
            encode_invalid: Invalid::Error,
            decode_invalid: true,
            keep_buffer: true,
        }
    }
}

/// The library.
///
/// # Errors
/// When there is no memory.
pub(super) fn library(lua: &Lua, stage: &Arc<Stage>) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    library.raw_set("null", Value::NULL)?;
    // To read or write JSON takes long for a single instruction of Lua.
    let settings = |stage: &Stage| {
        let mut acting = stage.lock();
        let acting = acting.as_mut().ok_or_else(no_script)?;
        let ended = acting.must_end().map(mlua::Error::runtime);
        ended.map_or(Ok((acting.json, acting.memory)), Err)
    };
    let on = Arc::clone(stage);
    let encode = lua.create_function(move |lua, args: MultiValue| {
        let value = one(lua, &args, "encode")?;
        let (settings, room) = settings(&on)?;
        match encode::encode(&settings, value, room, &on)? {
            Ok(out) => lua.create_string(&out),
            Err(why) => Err(Raised::here(lua, why)),
        }
    })?;
    library.raw_set("encode", encode)?;
    let on = Arc::clone(stage);
    let decode = lua.create_function(move |lua, args: MultiValue| {
        let value = one(lua, &args, "decode")?;
        let Some(text) = bytes_of(value) else {
            let why = format!("string expected, got {}", type_name(value));
            return Err(Raised::argument(lua, 1, "decode", &why));
        };
        decode::decode(lua, &settings(&on)?.0, &text)?.map_err(|why| Raised::here(lua, why))
    })?;
    library.raw_set("decode", decode)?;
    set_with_stage(lua, &library, stage, "encode_sparse_array", sparse_array)?;
    set_with_stage(lua, &library, stage, "encode_max_depth", |lua, acting, args| {
        let depth = &mut acting.json.encode_depth;
        set_number(lua, args, "encode_max_depth", 0, 1..=i32::MAX as usize, depth)
    })?;
    set_with_stage(lua, &library, stage, "decode_max_depth", |lua, acting, args| {
        let depth = &mut acting.json.decode_depth;
        set_number(lua, args, "decode_max_depth", 0, 1..=i32::MAX as usize, depth)
    })?;
    set_with_stage(lua, &library, stage, "encode_number_precision", |lua, acting, args| {
        set_number(lua, args, "encode_number_precision", 0, 1..=14, &mut acting.json.digits)
    })?;
    set_with_stage(lua, &library, stage, "encode_keep_buffer", |lua, acting, args| {
        set_switch(lua, args, "encode_keep_buffer", &mut acting.json.keep_buffer)
    })?;
    set_with_stage(lua, &library, stage, "encode_invalid_numbers", encode_invalid)?;
    set_with_stage(lua, &library, stage, "decode_invalid_numbers", |lua, acting, args| {
        set_switch(lua, args, "decode_invalid_numbers", &mut acting.json.decode_invalid)
    })?;
    Ok(library)
}

/// The only argument.
fn one<'a>(lua: &Lua, args: &'a MultiValue, function: &str) -> mlua::Result<&'a Value> {
    match args.as_slices().0 {
        [value] => Ok(value),
        _ => Err(Raised::argument(lua, 1, function, "expected 1 argument")),
    }
}

/// Sets a number if one is given; answers what it is.
fn set_number(
    lua: &Lua,
    args: &MultiValue,
    function: &str,
    index: usize,
    range: std::ops::RangeInclusive<usize>,
    setting: &mut usize,
) -> mlua::Result<usize> {
    if let Some(value) = args.get(index).filter(|value| !value.is_nil()) {
        let given = number_of(value).map(|number| number as i64);
        let given = given.and_then(|number| usize::try_from(number).ok());
        match given.filter(|given| range.contains(given)) {
            Some(given) => *setting = given,
            None => {
                let why = format!("expected integer between {} and {}", range.start(), range.end());
                return Err(Raised::argument(lua, index + 1, function, &why));
            }
        }
    }
    Ok(*setting)
}

/// Sets a switch if a truth value is given; answers what it is.
fn set_switch(
    lua: &Lua,
    args: &MultiValue,
    function: &str,
    setting: &mut bool,
) -> mlua::Result<bool> {
    match args.iter().next() {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(on)) => *setting = *on,
        Some(value) => match bytes_of(value).as_deref() {
            Some(b"on") => *setting = true,
            Some(b"off") => *setting = false,
            _ => return Err(invalid_option(lua, function, value)),
        },
    }
    Ok(*setting)
}

fn invalid_option(lua: &Lua, function: &str, value: &Value) -> mlua::Error {
    let why = match bytes_of(value) {
        Some(text) => format!("invalid option '{}'", String::from_utf8_lossy(&text)),
        None => format!("string expected, got {}", type_name(value)),
    };
    Raised::argument(lua, 1, function, &why)
}

fn sparse_array(
    lua: &Lua,
    acting: &mut Acting,
    args: &MultiValue,
) -> mlua::Result<(bool, usize, usize)> {
    let name = "encode_sparse_array";
    let settings = &mut acting.json;
    let converts = set_switch(lua, args, name, &mut settings.sparse_as_object)?;
    let most = 0..=i32::MAX as usize;
    let ratio = set_number(lua, args, name, 1, most.clone(), &mut settings.sparse_ratio)?;
    let safe = set_number(lua, args, name, 2, most, &mut settings.sparse_safe)?;
    Ok((converts, ratio, safe))
}

fn encode_invalid(lua: &Lua, acting: &mut Acting, args: &MultiValue) -> mlua::Result<Value> {
    let setting = &mut acting.json.encode_invalid;
    match args.iter().next() {
        Some(value) if bytes_of(value).as_deref() == Some(b"null") => *setting = Invalid::Null,
        Some(value) if !value.is_nil() => {
            let mut on = false;
            set_switch(lua, args, "encode_invalid_numbers", &mut on)?;
            *setting = if on { Invalid::AsText } else { Invalid::Error };
        }
        _ => {}
    }
    Ok(match setting {
        Invalid::Error => Value::Boolean(false),
        Invalid::AsText => Value::Boolean(true),
        Invalid::Null => Value::String(lua.create_string("null")?),
    })
}
