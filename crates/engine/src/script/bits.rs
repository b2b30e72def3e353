//! `bit`: operations on 32-bit numbers.

use mlua::{Lua, MultiValue, Table};

use super::arguments::number;

/// What an operation does with its two numbers.
type Binary = fn(u32, u32) -> u32;

/// What an operation does with its number.
type Unary = fn(u32) -> u32;

/// Those that take any number of arguments.
const FOLDS: [(&str, Binary); 3] =
    [("band", |a, b| a & b), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)];

/// Those that take a number and a count of bits.
const SHIFTS: [(&str, Binary); 5] = [
    ("lshift", |a, n| a << (n & 31)),
    ("rshift", |a, n| a >> (n & 31)),
    ("arshift", |a, n| ((a as i32) >> (n & 31)) as u32),
    ("rol", |a, n| a.rotate_left(n & 31)),
    ("ror", |a, n| a.rotate_right(n & 31)),
];

/// Those that take one number.
const UNARY: [(&str, Unary); 3] = [("tobit", |a| a), ("bnot", |a| !a), ("bswap", u32::swap_bytes)];

/// The library.
///
/// # Errors
/// When there is no memory.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    for (name, fold) in FOLDS {
        let function = lua.create_function(move |lua, args: MultiValue| {
            let mut folded = bits(lua, &args, 0, name)?;
            for index in 1..args.len() {
                folded = fold(folded, bits(lua, &args, index, name)?);
            }
            Ok(folded as i32)
        })?;
        library.raw_set(name, function)?;
    }
    for (name, shift) in SHIFTS {
        let function = lua.create_function(move |lua, args: MultiValue| {
            Ok(shift(bits(lua, &args, 0, name)?, bits(lua, &args, 1, name)?) as i32)
        })?;
        library.raw_set(name, function)?;
    }
    for (name, run) in UNARY {
        let function = lua.create_function(move |lua, args: MultiValue| {
            Ok(run(bits(lua, &args, 0, name)?) as i32)
        })?;
        library.raw_set(name, function)?;
    }
    library.raw_set("tohex", lua.create_function(|lua, args: MultiValue| to_hex(lua, &args))?)?;
    Ok(library)
}

/// Argument `index`, rounded to the nearest whole number and cut to 32 bits.
fn bits(lua: &Lua, args: &MultiValue, index: usize, function: &str) -> mlua::Result<u32> {
    let number = number(lua, args, index, function)?;
    Ok(number.round_ties_even().rem_euclid(4_294_967_296.0) as u32)
}

/// `bit.tohex(number, digits)`: in capitals when `digits` is negative.
fn to_hex(lua: &Lua, args: &MultiValue) -> mlua::Result<String> {
    let value = bits(lua, args, 0, "tohex")?;
    let digits = if args.len() > 1 { bits(lua, args, 1, "tohex")? as i32 } else { 8 };
    let shown = (digits.unsigned_abs() as usize).min(8);
    let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    Ok(text[8 - shown..].to_owned())
}
