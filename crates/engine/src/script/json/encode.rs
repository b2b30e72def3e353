//! Lua values as JSON.

use mlua::{Table, Value};

use super::{DEEPEST, Invalid, Settings};
use crate::script::{arguments::type_name, number::general, output::Output, stage::Stage};

/// What went wrong: with Lua, or with the value.
type Encoded = mlua::Result<Result<(), String>>;

/// `value` as JSON, of at most `room` bytes; what is wrong with it in the
/// library's words.
///
/// # Errors
/// When Lua has no memory, or when there is no room.
pub(super) fn encode(
    settings: &Settings,
    value: &Value,
    room: usize,
    stage: &Stage,
) -> mlua::Result<Result<Vec<u8>, String>> {
    let mut out = Output::new(room, stage, "cjson.encode");
    Ok(write(settings, value, 0, &mut out)?.map(|()| out.bytes))
}

/// The walk is recursive: what needs much of the stack is done elsewhere.
fn write(settings: &Settings, value: &Value, depth: usize, out: &mut Output<'_>) -> Encoded {
    let Value::Table(table) = value else { return write_plain(settings, value, out) };
    match begin_table(settings, table, depth + 1, out)? {
        Ok(Some(len)) => write_list(settings, table, len, depth + 1, out),
        Ok(None) => write_object(settings, table, depth + 1, out),
        Err(why) => Ok(Err(why)),
    }
}

/// Writes what is no table.
fn write_plain(settings: &Settings, value: &Value, out: &mut Output<'_>) -> Encoded {
    out.check()?;
    let text = &mut out.bytes;
    match value {
        Value::String(string) => write_string(&string.as_bytes(), text),
        Value::Integer(n) => return Ok(write_number(settings, *n as f64, text)),
        Value::Number(n) => return Ok(write_number(settings, *n, text)),
        Value::Boolean(true) => text.extend_from_slice(b"true"),
        Value::Boolean(false) => text.extend_from_slice(b"false"),
        Value::Nil => text.extend_from_slice(b"null"),
        Value::LightUserData(pointer) if pointer.0.is_null() => text.extend_from_slice(b"null"),
        other => return Ok(Err(cannot(type_name(other), "type not supported"))),
    }
    Ok(Ok(()))
}

fn cannot(kind: &str, why: &str) -> String {
    format!("Cannot serialise {kind}: {why}")
}

fn write_number(settings: &Settings, number: f64, out: &mut Vec<u8>) -> Result<(), String> {
    if !number.is_finite() {
        match settings.encode_invalid {
            Invalid::Error => return Err(cannot("number", "must not be NaN or Inf")),
            Invalid::Null => {
                out.extend_from_slice(b"null");
                return Ok(());
            }
            Invalid::AsText if number.is_nan() => {
                out.extend_from_slice(b"nan");
                return Ok(());
            }
            Invalid::AsText => {}
        }
    }
    out.extend_from_slice(general(number, settings.digits).as_bytes());
    Ok(())
}

fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 | 0x7f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Checks a table that is about to be written; tells what [`list_len`] does.
fn begin_table(
    settings: &Settings,
    table: &Table,
    depth: usize,
    out: &mut Output<'_>,
) -> mlua::Result<Result<Option<usize>, String>> {
    if depth > settings.encode_depth.min(DEEPEST) {
        return Ok(Err(format!("Cannot serialise, excessive nesting ({depth})")));
    }
    out.look()?;
    list_len(settings, table)
}

/// How long a table is as a list; `None` when it is an object, as is an empty
/// one.
fn list_len(settings: &Settings, table: &Table) -> mlua::Result<Result<Option<usize>, String>> {
    let (mut last, mut count) = (0, 0);
    for pair in table.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(index) if index >= 1 => {
                last = last.max(index as usize);
                count += 1;
            }
            _ => return Ok(Ok(None)),
        }
    }
    if count == 0 {
        return Ok(Ok(None));
    }
    let Settings { sparse_ratio: ratio, sparse_safe: safe, .. } = *settings;
    if ratio > 0 && last > count * ratio && last > safe {
        if settings.sparse_as_object {
            return Ok(Ok(None));
        }
        return Ok(Err(cannot("table", "excessively sparse array")));
    }
    Ok(Ok(Some(last)))
}

fn write_list(
    settings: &Settings,
    table: &Table,
    len: usize,
    depth: usize,
    out: &mut Output<'_>,
) -> Encoded {
    for index in 1..=len {
        out.bytes.push(if index == 1 { b'[' } else { b',' });
        if let Err(why) = write(settings, &table.raw_get(index)?, depth, out)? {
            return Ok(Err(why));
        }
    }
    out.bytes.push(b']');
    Ok(Ok(()))
}

fn write_object(settings: &Settings, table: &Table, depth: usize, out: &mut Output<'_>) -> Encoded {
    out.bytes.push(b'{');
    let mut first = true;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        if !std::mem::take(&mut first) {
            out.bytes.push(b',');
        }
        if let Err(why) = write_key(settings, &key, out) {
            return Ok(Err(why));
        }
        out.bytes.push(b':');
        if let Err(why) = write(settings, &value, depth, out)? {
            return Ok(Err(why));
        }
    }
    out.bytes.push(b'}');
    Ok(Ok(()))
}

fn write_key(settings: &Settings, key: &Value, out: &mut Output<'_>) -> Result<(), String> {
    let number = match key {
        Value::String(text) => {
            write_string(&text.as_bytes(), &mut out.bytes);
            return Ok(());
        }
        Value::Integer(n) => *n as f64,
        Value::Number(n) => *n,
        _ => return Err(cannot(type_name(key), "table key must be a number or string")),
    };
    out.bytes.push(b'"');
    write_number(settings, number, &mut out.bytes)?;
    out.bytes.push(b'"');
    Ok(())
}
