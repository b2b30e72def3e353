//! What Lua takes its values for, when a function wants a number or a text.

use mlua::{Lua, MultiValue, Value};

use super::{number::general, raised::Raised};

/// The number that Lua takes a value for.
pub(super) fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Number(n) => Some(*n),
        Value::String(text) => {
            let text = text.to_str().ok()?;
            let text = text.trim();
            match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as f64),
                None => text.parse().ok(),
            }
        }
        _ => None,
    }
}

/// The text that Lua takes a value for.
pub(super) fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(n) => Some(general(*n as f64, 14).into_bytes()),
        Value::Number(n) => Some(general(*n, 14).into_bytes()),
        _ => None,
    }
}

/// Argument `index` of `function` as a number.
///
/// # Errors
/// In Lua's words, when it is none.
pub(super) fn number(
    lua: &Lua,
    args: &MultiValue,
    index: usize,
    function: &str,
) -> mlua::Result<f64> {
    args.get(index).and_then(number_of).ok_or_else(|| {
        let got = args.get(index).map_or("no value", type_name);
        let why = format!("number expected, got {got}");
        Raised::argument(lua, index + 1, function, &why)
    })
}

/// As [`number`], without its fraction, within 32 bits as C's `int`.
///
/// # Errors
/// As [`number`].
pub(super) fn whole(
    lua: &Lua,
    args: &MultiValue,
    index: usize,
    function: &str,
) -> mlua::Result<i64> {
    Ok(i64::from(number(lua, args, index, function)? as i64 as i32))
}

/// Argument `index` without its fraction, within 64 bits; `default` when it is
/// missing or nil.
///
/// # Errors
/// As [`number`].
pub(super) fn integer(
    lua: &Lua,
    args: &MultiValue,
    index: usize,
    function: &str,
    default: Option<i64>,
) -> mlua::Result<i64> {
    match (args.get(index), default) {
        (None | Some(Value::Nil), Some(default)) => Ok(default),
        _ => Ok(number(lua, args, index, function)? as i64),
    }
}

/// What Lua calls the type of a value.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}
