//! Lua values as replies. Reading raises nothing, so it may own.

use std::{borrow::Cow, ffi::c_int};

use bytes::Bytes;
use mlua::ffi::{self, lua_State};
use tuckbox_resp::Reply;

use super::push::bytes;

/// Tables within tables in a reply. A client takes no more.
const DEPTH: c_int = 128;

/// Slots that reading takes for each table within a table.
const SLOTS: c_int = 4;

/// The fields that say what a table stands for, and those of one of them.
const NAMES: [&str; 9] =
    ["err", "ok", "double", "map", "set", "big_number", "verbatim_string", "string", "format"];

/// Where the first name is, above the value.
const FIRST_NAME: c_int = 2;

const TOO_DEEP: &str = "ERR reached lua stack limit";

const TOO_LARGE: &str = "ERR the script's answer takes more memory than scripts may take";

/// Elements for which an answer's list has room from the start. How long a table
/// says it is can be far from what it holds.
const ROOM: usize = 1024;

/// Puts the names on the stack, above the value, and makes room for reading.
///
/// # Safety
/// The value is alone on the stack, and the caller owns nothing.
pub(super) unsafe fn prepare(state: *mut lua_State) {
    let slots = DEPTH * SLOTS + NAMES.len() as c_int;
    // SAFETY: Room is made first.
    unsafe {
        ffi::luaL_checkstack_(state, slots, c"no room for the script's answer".as_ptr());
        for name in NAMES {
            ffi::lua_pushlstring_(state, name.as_ptr().cast(), name.len());
        }
    }
}

/// Reads the value at `index`, if it takes no more than `room` bytes: a table
/// that is in others many times is written out each time.
///
/// # Safety
/// After [`prepare`].
pub(super) unsafe fn read(state: *mut lua_State, index: c_int, resp3: bool, room: usize) -> Reply {
    let mut reader = Reader { state, resp3, room, wrong: None };
    // SAFETY: As the caller promises.
    let reply = unsafe { reader.value(index, DEPTH - 1) };
    reader.wrong.map_or(reply, Reply::error)
}

struct Reader {
    state: *mut lua_State,
    resp3: bool,
    /// Bytes that the rest may take.
    room: usize,
    /// Why the value is no reply; the rest is not read then.
    wrong: Option<&'static str>,
}

impl Reader {
    /// # Safety
    /// In all functions here: after [`prepare`], with `index` a slot in use, and
    /// at most [`SLOTS`] of them taken for each level of `depth`.
    unsafe fn value(&mut self, index: c_int, depth: c_int) -> Reply {
        let state = self.state;
        // SAFETY: None of these raises or allocates in Lua: strings and numbers are
        // read as what they are.
        unsafe {
            let kind = ffi::lua_type(state, index);
            let text = if kind == ffi::LUA_TSTRING { bytes(state, index).len() } else { 0 };
            if !self.takes(size_of::<Reply>() + text) {
                return Reply::Null;
            }
            match kind {
                ffi::LUA_TSTRING => Reply::Bulk(Bytes::copy_from_slice(bytes(state, index))),
                ffi::LUA_TNUMBER => Reply::Integer(truncated(ffi::lua_tonumber(state, index))),
                ffi::LUA_TBOOLEAN => match ffi::lua_toboolean(state, index) != 0 {
                    value if self.resp3 => Reply::Boolean(value),
                    true => Reply::Integer(1),
                    false => Reply::Null,
                },
                ffi::LUA_TTABLE if depth == 0 => {
                    self.wrong = Some(TOO_DEEP);
                    Reply::Null
                }
                ffi::LUA_TTABLE => self.table(index, depth - 1),
                _ => Reply::Null,
            }
        }
    }

    /// Whether there is room for so many bytes more.
    fn takes(&mut self, bytes: usize) -> bool {
        match self.room.checked_sub(bytes) {
            Some(room) if self.wrong.is_none() => self.room = room,
            _ => self.wrong = self.wrong.or(Some(TOO_LARGE)),
        }
        self.wrong.is_none()
    }

    unsafe fn table(&mut self, index: c_int, depth: c_int) -> Reply {
        // SAFETY: As the caller promises.
        unsafe {
            if !self.is_list(index)
                && let Some(reply) = self.special(index, depth)
            {
                return reply;
            }
            self.items(index, depth)
        }
    }

    /// Whether a table has nothing but a list: no field to look for.
    unsafe fn is_list(&self, index: c_int) -> bool {
        let state = self.state;
        // SAFETY: `lua_next` raises for a key that is not in the table; the last of
        // a list is.
        unsafe {
            match ffi::lua_objlen(state, index) {
                0 => ffi::lua_pushnil(state),
                len => ffi::lua_pushnumber(state, len as f64),
            }
            if ffi::lua_next(state, index) == 0 {
                return true;
            }
            ffi::lua_pop(state, 2);
            false
        }
    }

    /// The elements of a list, up to the first that is nil.
    unsafe fn items(&mut self, index: c_int, depth: c_int) -> Reply {
        let state = self.state;
        // SAFETY: As the caller promises; one slot is used.
        unsafe {
            let mut items = Vec::with_capacity(ffi::lua_objlen(state, index).min(ROOM));
            for number in 1..c_int::MAX {
                if self.wrong.is_some() {
                    break;
                }
                ffi::lua_rawgeti_(state, index, number);
                let top = ffi::lua_gettop(state);
                if ffi::lua_type(state, top) == ffi::LUA_TNIL {
                    ffi::lua_pop(state, 1);
                    break;
                }
                items.push(self.value(top, depth));
                ffi::lua_pop(state, 1);
            }
            Reply::Array(items)
        }
    }

    /// Pushes the field that is called as name number `name`; returns its slot
    /// and type.
    unsafe fn field(&self, index: c_int, name: c_int) -> (c_int, c_int) {
        let state = self.state;
        // SAFETY: The names are where `prepare` has put them; nothing is hashed anew.
        unsafe {
            ffi::lua_pushvalue(state, FIRST_NAME + name);
            ffi::lua_rawget_(state, index);
            let top = ffi::lua_gettop(state);
            (top, ffi::lua_type(state, top))
        }
    }

    /// The field's text if it is a string.
    unsafe fn text(&mut self, index: c_int, name: c_int) -> Option<Vec<u8>> {
        let state = self.state;
        // SAFETY: As the caller promises.
        unsafe {
            let (slot, kind) = self.field(index, name);
            let text = if kind == ffi::LUA_TSTRING { Some(bytes(state, slot)) } else { None };
            let text = text.filter(|text| self.takes(text.len())).map(<[u8]>::to_vec);
            ffi::lua_pop(state, 1);
            text
        }
    }

    /// The reply that a table stands for by one of its fields.
    unsafe fn special(&mut self, index: c_int, depth: c_int) -> Option<Reply> {
        let state = self.state;
        // SAFETY: As the caller promises; every slot taken is given back.
        unsafe {
            if let Some(text) = self.text(index, 0) {
                return Some(Reply::error(lossy(&text)));
            }
            if let Some(text) = self.text(index, 1) {
                return Some(Reply::Simple(Cow::Owned(lossy(&text).replace(['\r', '\n'], " "))));
            }
            let (slot, kind) = self.field(index, 2);
            let number = (kind == ffi::LUA_TNUMBER).then(|| ffi::lua_tonumber(state, slot));
            ffi::lua_pop(state, 1);
            if let Some(number) = number {
                return Some(Reply::Double(number));
            }
            for (name, is_map) in [(3, true), (4, false)] {
                let (slot, kind) = self.field(index, name);
                let found = (kind == ffi::LUA_TTABLE).then(|| self.entries(slot, is_map, depth));
                ffi::lua_pop(state, 1);
                if found.is_some() {
                    return found;
                }
            }
            if let Some(digits) = self.text(index, 5) {
                return Some(Reply::BigNumber(lossy(&digits).replace(['\r', '\n'], " ")));
            }
            let (slot, kind) = self.field(index, 6);
            let found = (kind == ffi::LUA_TTABLE).then(|| self.verbatim(slot)).flatten();
            ffi::lua_pop(state, 1);
            found
        }
    }

    /// The pairs of a map, or the keys of a set.
    unsafe fn entries(&mut self, index: c_int, is_map: bool, depth: c_int) -> Reply {
        let state = self.state;
        let (mut pairs, mut items) = (Vec::new(), Vec::new());
        // SAFETY: The table is not changed meanwhile, so every key is one of its.
        unsafe {
            ffi::lua_pushnil(state);
            while ffi::lua_next(state, index) != 0 {
                let top = ffi::lua_gettop(state);
                let key = self.value(top - 1, depth);
                if is_map {
                    pairs.push((key, self.value(top, depth)));
                } else {
                    items.push(key);
                }
                ffi::lua_pop(state, 1);
                if self.wrong.is_some() {
                    ffi::lua_pop(state, 1);
                    break;
                }
            }
        }
        if is_map { Reply::Map(pairs) } else { Reply::Set(items) }
    }

    unsafe fn verbatim(&mut self, index: c_int) -> Option<Reply> {
        // SAFETY: As the caller promises.
        let (text, given) = unsafe { (self.text(index, 7)?, self.text(index, 8)?) };
        let mut format = [b' '; 3];
        format.iter_mut().zip(given).for_each(|(letter, given)| *letter = given);
        Some(Reply::Verbatim { format, text: text.into() })
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// A number without its fraction, as C's conversion on x86 gives it.
fn truncated(number: f64) -> i64 {
    // The first number beyond the range.
    let end = -(i64::MIN as f64);
    if number >= -end && number < end { number as i64 } else { i64::MIN }
}
