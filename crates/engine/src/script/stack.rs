//! The functions that every run of a script goes through, written on Lua's own
//! interface: `redis.call` and `redis.pcall`, and those that bring a script its
//! keys and arguments and take its answer.
//!
//! Why this is unsafe: through `mlua`'s safe interface each string that crosses
//! costs a reference, a lock and, under a memory limit, a protected call. A
//! script that reads a hash of eight fields took 26 µs that way and takes 3 µs
//! this way.
//!
//! What keeps it sound, in all functions here:
//!
//! - Lua leaves a function by `longjmp` when it raises an error or is out of
//!   memory. So no value that owns anything is alive while a function of Lua
//!   runs that can raise. Each function has two parts: one that owns and never
//!   raises, and one that raises and only borrows, from the stage.
//! - Nothing unwinds into Lua: a panic is caught, kept on the stage, and goes on
//!   when the script has ended.
//! - The stage is reached without its lock: a script runs on one thread, that
//!   of whoever holds the database's lock, and the host's other functions hold
//!   the stage's lock only while they run.

#![expect(unsafe_code, reason = "measured; see above")]

mod answer;
mod push;

use std::{
    ffi::c_int,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use mlua::{
    Function, Lua,
    ffi::{self, lua_State},
};
use tuckbox_resp::{ErrorReply, Reply};

use super::{
    call::Spelling,
    stage::{Acting, Stage},
};

/// A function as Lua takes it.
type Raw = unsafe extern "C-unwind" fn(*mut lua_State) -> c_int;

/// `redis.call`, `redis.pcall`, the functions that bring a script its words and
/// take its answer, and the one that looks at the time.
///
/// # Errors
/// When there is no memory.
pub(super) fn functions(lua: &Lua, stage: &Arc<Stage>) -> mlua::Result<[Function; 5]> {
    let raw: [Raw; 5] = [call, pcall, words, answer, look];
    let mut functions = Vec::with_capacity(raw.len());
    for function in raw {
        let stage = Arc::as_ptr(stage).cast_mut().cast();
        // SAFETY: Within a protected call, which also makes room on the stack; the
        // closure owns nothing. The machine keeps the stage as long as Lua.
        let function = unsafe {
            lua.exec_raw((), |state| {
                ffi::lua_pushlightuserdata(state, stage);
                ffi::lua_pushcclosure(state, function, 1);
            })?
        };
        functions.push(function);
    }
    <[Function; 5]>::try_from(functions).map_err(|_| mlua::Error::StackError)
}

/// What acts for the script that called, from the function's upvalue.
///
/// # Safety
/// Only in a function of [`functions`] that Lua has called. What is returned
/// must be gone when a function of Lua is called that runs scripts' code.
unsafe fn acting<'a>(state: *mut lua_State) -> Option<&'a mut Acting> {
    // SAFETY: The upvalue is the stage, which outlives the machine. Nobody else
    // looks at it now: see the module.
    unsafe {
        let stage = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Stage>();
        stage.as_ref().and_then(|stage| (*stage.unlocked()).as_mut())
    }
}

/// Raises an error that no script catches.
///
/// # Safety
/// The caller owns nothing.
unsafe fn end(state: *mut lua_State) -> ! {
    // SAFETY: A slot is free: functions have 20. The pointer is never followed.
    unsafe {
        ffi::lua_pushlightuserdata(state, std::ptr::dangling_mut::<u8>().cast());
        ffi::lua_error(state)
    }
}

unsafe extern "C-unwind" fn call(state: *mut lua_State) -> c_int {
    // SAFETY: Called by Lua as one of `functions`.
    unsafe { call_as(state, false) }
}

unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> c_int {
    // SAFETY: Called by Lua as one of `functions`.
    unsafe { call_as(state, true) }
}

/// Runs one command for a script; an error reply is raised, or with `protected`
/// answered as a table.
///
/// # Safety
/// Lua has called one of `functions`.
unsafe fn call_as(state: *mut lua_State, protected: bool) -> c_int {
    // SAFETY: The reply is owned by the stage by the time that Lua may raise; of
    // it and of `acting` there are only references here.
    unsafe {
        let Some(acting) = acting(state) else { end(state) };
        if !run(state, acting) {
            end(state)
        }
        let resp3 = acting.resp3;
        let reply = acting.reply.as_ref().unwrap_or(&Reply::Null);
        ffi::lua_settop(state, 0);
        push::reply(state, reply, resp3);
        if matches!(reply, Reply::Error(_)) && !protected {
            ffi::lua_error(state);
        }
        1
    }
}

/// Runs the command on the stack and leaves its reply on the stage. Raises
/// nothing. Returns whether the script may go on.
///
/// # Safety
/// Lua has called one of `functions`, and `acting` is its stage.
unsafe fn run(state: *mut lua_State, acting: &mut Acting) -> bool {
    if acting.must_end_calling().is_some() {
        return false;
    }
    let room = acting.memory;
    // SAFETY: Nothing here raises: strings are only looked at, and numbers are
    // not turned into strings by Lua.
    let spell = || unsafe {
        let mut spelling = Spelling::new(room);
        for index in 1..=ffi::lua_gettop(state) {
            match ffi::lua_type(state, index) {
                ffi::LUA_TSTRING => spelling.text(push::bytes(state, index)),
                ffi::LUA_TNUMBER => spelling.number(ffi::lua_tonumber(state, index)),
                _ => return Err(ErrorReply::from(Spelling::NOT_TEXT)),
            }
        }
        spelling.command()
    };
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let reply = spell().and_then(|command| acting.run(command));
        push::simplified(reply.unwrap_or_else(Reply::Error), acting.resp3)
    }));
    match ran {
        Ok(reply) => {
            acting.reply = Some(reply);
            true
        }
        Err(panic) => {
            acting.panic = Some(panic);
            false
        }
    }
}

/// Answers the tables `KEYS` and `ARGV`.
unsafe extern "C-unwind" fn words(state: *mut lua_State) -> c_int {
    // SAFETY: Called by Lua as one of `functions`; owns nothing.
    unsafe {
        let Some(acting) = acting(state) else { end(state) };
        let keys = acting.keys;
        push::list(state, acting.words.iter_from(3).take(keys));
        push::list(state, acting.words.iter_from(3 + keys));
        2
    }
}

/// Takes the value that a script answers.
unsafe extern "C-unwind" fn answer(state: *mut lua_State) -> c_int {
    // SAFETY: Called by Lua as one of `functions`. The names are put on the stack
    // first; reading raises nothing.
    unsafe {
        let Some(acting) = acting(state) else { end(state) };
        ffi::lua_settop(state, 1);
        answer::prepare(state);
        let (resp3, room) = (acting.resp3, acting.memory);
        let read = catch_unwind(AssertUnwindSafe(|| answer::read(state, 1, resp3, room)));
        match read {
            Ok(reply) => acting.reply = Some(reply),
            Err(panic) => {
                acting.panic = Some(panic);
                end(state)
            }
        }
        0
    }
}

/// Ends the script if its time is up; for functions that take long, or that
/// begin to count Lua's instructions anew.
unsafe extern "C-unwind" fn look(state: *mut lua_State) -> c_int {
    // SAFETY: Called by Lua as one of `functions`; owns nothing.
    unsafe {
        let Some(acting) = acting(state) else { end(state) };
        if acting.must_end().is_some() { end(state) } else { 0 }
    }
}
