//! MessagePack as Lua values.

use mlua::{Lua, Table, Value};

use crate::script::library::RESULTS;

/// Tables within tables, and results: Lua's stack holds no more.
const TOO_MANY: &str = "stack overflow (too many return values at once; use unpack_one or \
     unpack_limit instead.)";

/// Tables within tables that are read.
const DEEPEST: usize = 1000;

/// Why a text was not read.
pub(super) enum Wrong {
    /// An error of the library, which tells the place of the call.
    Text(&'static str),
    /// An error of Lua, which does not.
    Plain(&'static str),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Wrong {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

const MISSING: Wrong = Wrong::Text("Missing bytes in input.");

/// Reads values one after the other.
pub(super) struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

/// What one tag gives.
enum Item {
    Value(Value),
    List(usize),
    Map(usize),
}

/// A table that has not been read to its end.
enum Open {
    List { table: Table, index: usize, left: usize },
    Map { table: Table, key: Option<Value>, left: usize },
}

impl<'a> Reader<'a> {
    pub(super) fn new(lua: &'a Lua, text: &'a [u8]) -> Self {
        Self { lua, rest: text }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes that were not read.
    pub(super) fn rest(&self) -> usize {
        self.rest.len()
    }

    /// Reads a value with all that is in it, after `before` others. What is open
    /// is kept in a list, not on the stack: texts decide how deep it goes.
    pub(super) fn value(&mut self, before: usize) -> Result<Value, Wrong> {
        if before >= RESULTS {
            return Err(Wrong::Text(TOO_MANY));
        }
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut value = match self.item()? {
                Item::Value(value) => value,
                Item::List(0) | Item::Map(0) => Value::Table(self.lua.create_table()?),
                _ if open.len() == DEEPEST => return Err(Wrong::Text(TOO_MANY)),
                Item::List(left) => {
                    open.push(Open::List { table: self.lua.create_table()?, index: 1, left });
                    continue;
                }
                Item::Map(left) => {
                    open.push(Open::Map { table: self.lua.create_table()?, key: None, left });
                    continue;
                }
            };
            loop {
                let Some(last) = open.last_mut() else { return Ok(value) };
                let Some(whole) = last.take(value)? else { break };
                open.pop();
                value = Value::Table(whole);
            }
        }
    }

    fn item(&mut self) -> Result<Item, Wrong> {
        let tag = self.bytes(1)?[0];
        Ok(Item::Value(match tag {
            0..=0x7f => Value::Integer(i64::from(tag)),
            0xe0.. => Value::Integer(i64::from(tag as i8)),
            0x80..=0x8f => return Ok(Item::Map(usize::from(tag & 0xf))),
            0x90..=0x9f => return Ok(Item::List(usize::from(tag & 0xf))),
            0xa0..=0xbf => self.string(usize::from(tag & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 | 0xc3 => Value::Boolean(tag == 0xc3),
            0xca => Value::Number(f64::from(f32::from_bits(self.number(4)? as u32))),
            0xcb => Value::Number(f64::from_bits(self.number(8)?)),
            // Beyond 63 bits it is a negative number, as in the library.
            0xcc..=0xcf => Value::Number(self.number(1 << (tag - 0xcc))? as i64 as f64),
            0xd0 => Value::Integer(i64::from(self.number(1)? as i8)),
            0xd1 => Value::Integer(i64::from(self.number(2)? as i16)),
            0xd2 => Value::Integer(i64::from(self.number(4)? as i32)),
            0xd3 => Value::Number(self.number(8)? as i64 as f64),
            0xd9..=0xdb => {
                let len = self.number(1 << (tag - 0xd9))?;
                self.string(len as usize)?
            }
            0xdc | 0xdd => return Ok(Item::List(self.number(2 << (tag - 0xdc))? as usize)),
            0xde | 0xdf => return Ok(Item::Map(self.number(2 << (tag - 0xde))? as usize)),
            _ => return Err(Wrong::Text("Bad data format in input.")),
        }))
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Wrong> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(MISSING)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn number(&mut self, len: usize) -> Result<u64, Wrong> {
        Ok(self.bytes(len)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn string(&mut self, len: usize) -> Result<Value, Wrong> {
        Ok(Value::String(self.lua.create_string(self.bytes(len)?)?))
    }
}

impl Open {
    /// Takes the next value in. Answers the table when that was its last.
    fn take(&mut self, value: Value) -> Result<Option<Table>, Wrong> {
        let (table, left) = match self {
            Self::List { table, index, left } => {
                table.raw_seti(*index, value)?;
                *index += 1;
                (table, left)
            }
            Self::Map { table, key, left } => {
                let Some(key) = key.take() else {
                    *key = Some(value);
                    return Ok(None);
                };
                match key {
                    Value::Nil => return Err(Wrong::Plain("table index is nil")),
                    Value::Number(number) if number.is_nan() => {
                        return Err(Wrong::Plain("table index is NaN"));
                    }
                    key => table.raw_set(key, value)?,
                }
                (table, left)
            }
        };
        *left -= 1;
        Ok((*left == 0).then(|| table.clone()))
    }
}
