//! Replies as Lua values. These functions raise, and own nothing.

use std::{ffi::c_int, slice};

use bytes::BytesMut;
use mlua::ffi::{self, lua_State};
use tuckbox_resp::{Protocol, Reply, write_reply};

/// The bytes of the string at `index`.
///
/// # Safety
/// There is a string there, which stays for as long as the bytes are used.
pub(super) unsafe fn bytes<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: Lua gives a pointer to that many bytes; of a string, without an
    // allocation.
    unsafe {
        let text = ffi::lua_tolstring(state, index, &raw mut len);
        if text.is_null() { &[] } else { slice::from_raw_parts(text.cast(), len) }
    }
}

/// The same reply without the types that a script sees as text, so that pushing
/// it owns nothing.
pub(super) fn simplified(reply: Reply, resp3: bool) -> Reply {
    let each = |items: Vec<Reply>| items.into_iter().map(|item| simplified(item, resp3)).collect();
    match reply {
        double @ Reply::Double(_) if !resp3 => Reply::Bulk(in_resp2(&double)),
        Reply::BigNumber(digits) if !resp3 => Reply::Bulk(digits.into()),
        Reply::Verbatim { text, .. } if !resp3 => Reply::Bulk(text),
        Reply::Set(items) if !resp3 => Reply::Array(each(items)),
        // Most lists hold nothing but strings and are not looked through twice.
        Reply::Array(items) if items.iter().any(|item| !is_simple(item)) => {
            Reply::Array(each(items))
        }
        other => other,
    }
}

fn is_simple(reply: &Reply) -> bool {
    matches!(reply, Reply::Bulk(_) | Reply::Integer(_) | Reply::Null)
}

/// What RESP2 writes of a double, without its length.
fn in_resp2(double: &Reply) -> bytes::Bytes {
    let mut written = BytesMut::new();
    write_reply(double, Protocol::Resp2, &mut written);
    let line = written[..].split(|&byte| byte == b'\n').nth(1).unwrap_or_default();
    bytes::Bytes::copy_from_slice(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Pushes a string.
///
/// # Safety
/// A slot is free, and the caller owns nothing.
unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: Lua copies so many bytes from the pointer.
    unsafe { ffi::lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len()) }
}

fn clamped(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}

/// Pushes a list of strings.
///
/// # Safety
/// Two slots are free, and the caller owns nothing.
pub(super) unsafe fn list<'a>(
    state: *mut lua_State,
    words: impl ExactSizeIterator<Item = &'a [u8]>,
) {
    // SAFETY: As the caller promises; a list is as long as its table.
    unsafe {
        ffi::lua_createtable(state, clamped(words.len()), 0);
        for (index, word) in words.enumerate() {
            push_bytes(state, word);
            ffi::lua_rawseti_(state, -2, clamped(index + 1));
        }
    }
}

/// Pushes a table with one field, whose value is on top.
///
/// # Safety
/// Two slots are free, and the caller owns nothing.
unsafe fn tag(state: *mut lua_State, name: &str) {
    // SAFETY: As the caller promises. The table goes below the value.
    unsafe {
        ffi::lua_createtable(state, 0, 1);
        ffi::lua_insert(state, -2);
        push_bytes(state, name.as_bytes());
        ffi::lua_insert(state, -2);
        ffi::lua_rawset(state, -3);
    }
}

/// Pushes a reply, in the dialect that the script asked for.
///
/// # Safety
/// The caller owns nothing but what Lua does not reach.
pub(super) unsafe fn reply(state: *mut lua_State, reply: &Reply, resp3: bool) {
    // SAFETY: Each level makes room for what it pushes: the value, its table and
    // a name. The values are borrowed, and outlive the call.
    unsafe {
        ffi::luaL_checkstack_(state, 6, c"the reply is nested too deep".as_ptr());
        match reply {
            Reply::Bulk(bytes) => push_bytes(state, bytes),
            Reply::Integer(n) => ffi::lua_pushnumber(state, *n as f64),
            Reply::Null | Reply::NullArray if resp3 => ffi::lua_pushnil(state),
            Reply::Null | Reply::NullArray => ffi::lua_pushboolean(state, 0),
            Reply::Boolean(value) if resp3 => ffi::lua_pushboolean(state, c_int::from(*value)),
            Reply::Boolean(value) => ffi::lua_pushnumber(state, f64::from(u8::from(*value))),
            Reply::Simple(text) => {
                push_bytes(state, text.as_bytes());
                tag(state, "ok");
            }
            Reply::Error(error) => {
                push_bytes(state, error.text().as_bytes());
                tag(state, "err");
            }
            Reply::Array(items) | Reply::Push(items) => push_items(state, items, resp3),
            Reply::Set(items) => push_set(state, items, resp3),
            Reply::Map(pairs) if resp3 => push_map(state, pairs),
            Reply::Map(pairs) => {
                ffi::lua_createtable(state, clamped(pairs.len() * 2), 0);
                for (index, (key, value)) in pairs.iter().enumerate() {
                    self::reply(state, key, resp3);
                    ffi::lua_rawseti_(state, -2, clamped(2 * index + 1));
                    self::reply(state, value, resp3);
                    ffi::lua_rawseti_(state, -2, clamped(2 * index + 2));
                }
            }
            Reply::Double(n) => {
                ffi::lua_pushnumber(state, *n);
                tag(state, "double");
            }
            Reply::BigNumber(digits) => {
                push_bytes(state, digits.as_bytes());
                tag(state, "big_number");
            }
            Reply::Verbatim { format, text } => {
                push_bytes(state, text);
                tag(state, "string");
                push_bytes(state, b"format");
                push_bytes(state, format);
                ffi::lua_rawset(state, -3);
                tag(state, "verbatim_string");
            }
        }
    }
}

/// Pushes a list; it holds `false` where the reply has null.
///
/// # Safety
/// As [`reply`], with its room.
unsafe fn push_items(state: *mut lua_State, items: &[Reply], resp3: bool) {
    // SAFETY: As the caller promises.
    unsafe {
        ffi::lua_createtable(state, clamped(items.len()), 0);
        for (index, item) in items.iter().enumerate() {
            match item {
                Reply::Bulk(bytes) => push_bytes(state, bytes),
                item => reply(state, item, resp3),
            }
            ffi::lua_rawseti_(state, -2, clamped(index + 1));
        }
    }
}

/// # Safety
/// As [`reply`], with its room.
unsafe fn push_map(state: *mut lua_State, pairs: &[(Reply, Reply)]) {
    // SAFETY: As the caller promises. Keys are never nil: null is pushed so, and
    // no command has a null key.
    unsafe {
        ffi::lua_createtable(state, 0, clamped(pairs.len()));
        for (key, value) in pairs.iter().filter(|(key, _)| *key != Reply::Null) {
            reply(state, key, true);
            reply(state, value, true);
            ffi::lua_rawset(state, -3);
        }
        tag(state, "map");
    }
}

/// # Safety
/// As [`reply`], with its room.
unsafe fn push_set(state: *mut lua_State, items: &[Reply], resp3: bool) {
    // SAFETY: As the caller promises.
    unsafe {
        ffi::lua_createtable(state, 0, clamped(items.len()));
        for item in items.iter().filter(|item| **item != Reply::Null) {
            reply(state, item, resp3);
            ffi::lua_pushboolean(state, 1);
            ffi::lua_rawset(state, -3);
        }
        tag(state, "set");
    }
}
