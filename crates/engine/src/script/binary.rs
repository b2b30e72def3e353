//! `struct`: numbers and strings in the layout of C, by a format.

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value};

use super::{
    arguments::{bytes_of, integer, number_of, type_name},
    call::no_script,
    library::RESULTS,
    output::Output,
    raised::Raised,
    stage::Stage,
};

/// Bytes that an integer may have.
const LARGEST: usize = 32;

/// What `!` without a number aligns to.
const ALIGNMENT: usize = 8;

/// The library, as `prelude.lua` completes it: `pack` takes its arguments in a
/// table and their count, and `unpack` answers such a table and its count.
///
/// # Errors
/// When there is no memory.
pub(super) fn library(lua: &Lua, stage: &Arc<Stage>) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let on = Arc::clone(stage);
    let pack = lua.create_function(move |lua, (args, count): (Table, usize)| {
        let room = on.lock().as_ref().ok_or_else(no_script)?.memory;
        let mut out = Output::new(room, &on, "struct.pack");
        pack(lua, &args, count, &mut out)?;
        lua.create_string(&out.bytes)
    })?;
    library.raw_set("pack", pack)?;
    library.raw_set("unpack", lua.create_function(|lua, args: MultiValue| unpack(lua, &args))?)?;
    library.raw_set("size", lua.create_function(|lua, args: MultiValue| size(lua, &args))?)?;
    Ok(library)
}

/// A format that is read option by option.
struct Format<'a> {
    lua: &'a Lua,
    function: &'static str,
    rest: &'a [u8],
    is_big: bool,
    align: usize,
}

/// The next thing of a format.
struct Field {
    option: u8,
    size: usize,
    /// Bytes to leave out before it.
    padding: usize,
}

impl<'a> Format<'a> {
    /// C's strings end at a zero.
    fn new(lua: &'a Lua, function: &'static str, text: &'a [u8]) -> Self {
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Self { lua, function, rest: &text[..end], is_big: cfg!(target_endian = "big"), align: 1 }
    }

    fn wrong(&self, argument: usize, why: &str) -> mlua::Error {
        Raised::argument(self.lua, argument, self.function, why)
    }

    /// The next field, at `position`.
    fn next(&mut self, position: usize) -> mlua::Result<Option<Field>> {
        let Some((&option, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => match self.number(4)? {
                size @ ..=LARGEST => size,
                size => {
                    let why = format!("integral size {size} is larger than limit of {LARGEST}");
                    return Err(Raised::here(self.lua, why));
                }
            },
            _ => 0,
        };
        let padding = match size.min(self.align) {
            0 => 0,
            _ if option == b'c' => 0,
            aligned => aligned.wrapping_sub(position & (aligned - 1)) & (aligned - 1),
        };
        Ok(Some(Field { option, size, padding }))
    }

    fn number(&mut self, default: usize) -> mlua::Result<usize> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let (digits, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let number = digits.iter().try_fold(0_i32, |number, digit| {
            number.checked_mul(10)?.checked_add(i32::from(digit - b'0'))
        });
        match number {
            Some(number) => Ok(number as usize),
            None => Err(Raised::here(self.lua, "integral size overflow")),
        }
    }

    /// An option that is no field.
    fn control(&mut self, option: u8) -> mlua::Result<()> {
        match option {
            b' ' => {}
            b'>' => self.is_big = true,
            b'<' => self.is_big = false,
            b'!' => {
                let align = self.number(ALIGNMENT)?;
                if !align.is_power_of_two() {
                    let why = format!("alignment {align} is not a power of 2");
                    return Err(Raised::here(self.lua, why));
                }
                self.align = align;
            }
            _ => {
                let option = char::from(option);
                return Err(self.wrong(1, &format!("invalid format option '{option}'")));
            }
        }
        Ok(())
    }

    /// Bytes in the order that the format asks for, or back from it.
    fn ordered<const N: usize>(&self, mut little: [u8; N]) -> [u8; N] {
        if self.is_big {
            little.reverse();
        }
        little
    }
}

/// Argument `number` as a text.
fn text(lua: &Lua, function: &str, number: usize, value: Option<&Value>) -> mlua::Result<Vec<u8>> {
    value.and_then(bytes_of).ok_or_else(|| {
        let got = value.map_or("no value", type_name);
        Raised::argument(lua, number, function, &format!("string expected, got {got}"))
    })
}

// ---- pack ----

fn pack(lua: &Lua, args: &Table, count: usize, out: &mut Output<'_>) -> mlua::Result<()> {
    let first: Value = args.raw_get(1)?;
    let text = text(lua, "pack", 1, Some(&first).filter(|_| count > 0))?;
    let mut format = Format::new(lua, "pack", &text);
    let mut argument = 1;
    while let Some(field) = format.next(out.bytes.len())? {
        out.check()?;
        out.bytes.resize(out.bytes.len() + field.padding, 0);
        let Field { option, size, .. } = field;
        match option {
            b'x' => out.bytes.push(0),
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' | b'f' | b'd' | b'c'
            | b's' => {
                argument += 1;
                let value = args.raw_get(argument)?;
                put(&format, option, size, argument, &value, out)?;
            }
            _ => format.control(option)?,
        }
    }
    out.check()
}

/// Writes one value.
fn put(
    format: &Format<'_>,
    option: u8,
    size: usize,
    argument: usize,
    value: &Value,
    out: &mut Output<'_>,
) -> mlua::Result<()> {
    let bytes = &mut out.bytes;
    if matches!(option, b'c' | b's') {
        let text = text(format.lua, "pack", argument, Some(value))?;
        let len = if size == 0 { text.len() } else { size };
        let Some(part) = text.get(..len) else {
            // The library counts on before it looks.
            return Err(format.wrong(argument + 1, "string too short"));
        };
        bytes.extend_from_slice(part);
        if option == b's' {
            bytes.push(0);
        }
        return Ok(());
    }
    let Some(number) = number_of(value) else {
        let why = format!("number expected, got {}", type_name(value));
        return Err(format.wrong(argument, &why));
    };
    match option {
        b'f' => bytes.extend_from_slice(&format.ordered((number as f32).to_le_bytes())),
        b'd' => bytes.extend_from_slice(&format.ordered(number.to_le_bytes())),
        _ => {
            let value = if number < 0.0 { number as i64 as u64 } else { number as u64 };
            let mut wide = [0; LARGEST];
            wide[..8].copy_from_slice(&value.to_le_bytes());
            let start = bytes.len();
            bytes.extend_from_slice(&wide[..size]);
            if format.is_big {
                bytes[start..].reverse();
            }
        }
    }
    Ok(())
}

// ---- unpack ----

fn unpack(lua: &Lua, args: &MultiValue) -> mlua::Result<(Table, usize)> {
    let options = text(lua, "unpack", 1, args.front())?;
    let data = text(lua, "unpack", 2, args.get(1))?;
    let mut format = Format::new(lua, "unpack", &options);
    // A negative place is far behind the end.
    let mut at = match integer(lua, args, 2, "unpack", Some(1))? as u64 as usize {
        0 => return Err(format.wrong(3, "offset must be 1 or greater")),
        place => place - 1,
    };
    let results = lua.create_table()?;
    let mut count = 0;
    while let Some(field) = format.next(at)? {
        let short = || Raised::argument(lua, 2, "unpack", "data string too short");
        at = at.wrapping_add(field.padding);
        let rest = data.get(at..).ok_or_else(short)?;
        let mut bytes = rest.get(..field.size).ok_or_else(short)?;
        if count >= RESULTS - 2 {
            return Err(Raised::here(lua, "stack overflow (too many results)"));
        }
        let mut size = field.size;
        let value = match field.option {
            b'x' => None,
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                Some(Value::Number(get_integer(&format, field.option, bytes)))
            }
            b'f' => {
                let bytes = bytes.try_into().unwrap_or_default();
                Some(Value::Number(f64::from(f32::from_le_bytes(format.ordered(bytes)))))
            }
            b'd' => {
                let bytes = bytes.try_into().unwrap_or_default();
                Some(Value::Number(f64::from_le_bytes(format.ordered(bytes))))
            }
            b'c' => {
                if size == 0 {
                    let last = if count == 0 { Value::Nil } else { results.raw_get(count)? };
                    let Some(len) = number_of(&last) else {
                        return Err(Raised::here(lua, "format 'c0' needs a previous size"));
                    };
                    count -= 1;
                    size = len as i64 as u64 as usize;
                    bytes = rest.get(..size).ok_or_else(short)?;
                }
                Some(Value::String(lua.create_string(bytes)?))
            }
            b's' => {
                let Some(end) = memchr::memchr(0, rest) else {
                    return Err(Raised::here(lua, "unfinished string in data"));
                };
                size = end + 1;
                Some(Value::String(lua.create_string(&rest[..end])?))
            }
            option => {
                format.control(option)?;
                None
            }
        };
        if let Some(value) = value {
            count += 1;
            results.raw_seti(count, value)?;
        }
        at += size;
    }
    results.raw_seti(count + 1, Value::Integer(at as i64 + 1))?;
    Ok((results, count + 1))
}

/// Of more than 8 bytes the lower ones count; small letters have a sign.
fn get_integer(format: &Format<'_>, option: u8, bytes: &[u8]) -> f64 {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    let number = match format.is_big {
        true => bytes.iter().fold(0, add),
        false => bytes.iter().rev().fold(0, add),
    };
    if !option.is_ascii_lowercase() {
        return number as f64;
    }
    // The shift is taken modulo 64, as the processor that the library is
    // compiled for takes it.
    let sign = u64::MAX.wrapping_shl((bytes.len() as u32 * 8).wrapping_sub(1));
    (if number & sign == 0 { number } else { number | sign }) as i64 as f64
}

// ---- size ----

fn size(lua: &Lua, args: &MultiValue) -> mlua::Result<usize> {
    let text = text(lua, "size", 1, args.front())?;
    let mut format = Format::new(lua, "size", &text);
    let mut size = 0;
    while let Some(field) = format.next(size)? {
        match field.option {
            b's' => return Err(format.wrong(1, "option 's' has no fixed size")),
            b'c' if field.size == 0 => {
                return Err(format.wrong(1, "option 'c0' has no fixed size"));
            }
            option if !option.is_ascii_alphanumeric() => format.control(option)?,
            _ => {}
        }
        size += field.padding + field.size;
    }
    Ok(size)
}
