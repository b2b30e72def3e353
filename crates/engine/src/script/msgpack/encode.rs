//! Lua values as MessagePack.

use mlua::{Table, Value};

use crate::script::output::Output;

/// Tables within tables; what is deeper is written as nil, so that a table that
/// is in itself comes to an end.
const DEEPEST: usize = 16;

/// 2 to the power of 63: whole numbers of this size have no 64 bits.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// Writes `value`, which is in `depth` tables.
///
/// # Errors
/// When there is no room, or when the script has to end.
pub(super) fn write(value: &Value, depth: usize, out: &mut Output<'_>) -> mlua::Result<()> {
    out.check()?;
    match value {
        Value::String(text) => write_string(&text.as_bytes(), &mut out.bytes),
        Value::Boolean(value) => out.bytes.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => write_integer(*number, &mut out.bytes),
        Value::Number(number) => write_number(*number, &mut out.bytes),
        Value::Table(table) if depth < DEEPEST => {
            out.look()?;
            match list_len(table)? {
                Some(len) => write_list(table, len, depth + 1, out)?,
                None => write_map(table, depth + 1, out)?,
            }
        }
        _ => out.bytes.push(0xc0),
    }
    Ok(())
}

/// Writes a length behind the tag for its size, which for small ones is in the
/// tag itself.
fn write_len(len: usize, small: (u8, usize), tags: [Option<u8>; 3], out: &mut Vec<u8>) {
    let [one, two, four] = tags;
    match (len, one, two, four) {
        (len, ..) if len <= small.1 => out.push(small.0 | len as u8),
        (0..=0xff, Some(tag), ..) => out.extend_from_slice(&[tag, len as u8]),
        (0..=0xffff, _, Some(tag), _) => {
            out.push(tag);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        (_, _, _, tag) => {
            out.extend(tag);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn write_string(text: &[u8], out: &mut Vec<u8>) {
    write_len(text.len(), (0xa0, 31), [Some(0xd9), Some(0xda), Some(0xdb)], out);
    out.extend_from_slice(text);
}

/// In as few bytes as hold it.
fn write_integer(number: i64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    if (-0x20..0x80).contains(&number) {
        return out.push(number as u8);
    }
    let (tag, len) = match number {
        0x1_0000_0000.. => (0xcf, 8),
        0x1_0000.. => (0xce, 4),
        0x100.. => (0xcd, 2),
        0.. => (0xcc, 1),
        -0x80.. => (0xd0, 1),
        -0x8000.. => (0xd1, 2),
        -0x8000_0000.. => (0xd2, 4),
        _ => (0xd3, 8),
    };
    out.push(tag);
    out.extend_from_slice(&bytes[8 - len..]);
}

/// As an integer or a float of 32 bits where that loses nothing.
fn write_number(number: f64, out: &mut Vec<u8>) {
    if number.trunc() == number && (-BEYOND..BEYOND).contains(&number) {
        return write_integer(number as i64, out);
    }
    let single = number as f32;
    if f64::from(single) == number {
        out.push(0xca);
        out.extend_from_slice(&single.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// How long a table is, if its keys are 1 up to that, as of an empty one.
fn list_len(table: &Table) -> mlua::Result<Option<usize>> {
    let (mut last, mut count) = (0, 0);
    for pair in table.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(index @ 1..=0x7fff_ffff) => {
                last = last.max(index as usize);
                count += 1;
            }
            _ => return Ok(None),
        }
    }
    Ok((last == count).then_some(count))
}

fn write_list(table: &Table, len: usize, depth: usize, out: &mut Output<'_>) -> mlua::Result<()> {
    write_len(len, (0x90, 15), [None, Some(0xdc), Some(0xdd)], &mut out.bytes);
    for index in 1..=len {
        write(&table.raw_get(index)?, depth, out)?;
    }
    Ok(())
}

fn write_map(table: &Table, depth: usize, out: &mut Output<'_>) -> mlua::Result<()> {
    let mut len = 0;
    for pair in table.pairs::<Value, Value>() {
        pair?;
        len += 1;
    }
    write_len(len, (0x80, 15), [None, Some(0xde), Some(0xdf)], &mut out.bytes);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        write(&key, depth, out)?;
        write(&value, depth, out)?;
    }
    Ok(())
}
