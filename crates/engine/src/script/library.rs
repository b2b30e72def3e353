//! The functions that scripts call: all of `redis`, and what `prelude.lua`
//! needs of the host.

use std::{sync::Arc, time::Instant};

use mlua::{IntoLuaMulti, Lua, LuaString, MultiValue, Table, Value};
use tuckbox_resp::table;

use super::{
    arguments::{bytes_of, number_of, type_name, whole},
    binary, bits,
    cache::Sha,
    call::{self, no_script},
    dice::{random, random_seed},
    json, msgpack,
    number::general,
    raised::{self, Raised},
    stack,
    stage::{Acting, Stage},
};

/// The version of Redis whose scripts these are.
const VERSION: &str = "7.0.15";
const VERSION_NUMBER: i64 = 0x0007_000f;

/// Levels of `redis.log`, from the least important.
const LEVELS: [&str; 4] = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"];

/// What `redis.set_repl` takes.
const REPLICATION: [(&str, i64); 5] =
    [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)];

/// Results that a function may have: Lua's stack holds 8,000 values, and some
/// are in use.
pub(super) const RESULTS: usize = 7_900;

/// Frames that are looked at for the place of an error.
const FRAMES: usize = 32;

/// The functions and constants that `prelude.lua` builds the world from.
///
/// # Errors
/// When there is no memory.
pub(super) fn host(lua: &Lua, stage: &Arc<Stage>) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    let [call, pcall, words, answer, look] = stack::functions(lua, stage)?;
    let redis = redis(lua, stage)?;
    redis.raw_set("call", call)?;
    redis.raw_set("pcall", pcall)?;
    host.raw_set("redis", redis)?;
    host.raw_set("words", words)?;
    host.raw_set("answer", answer)?;
    host.raw_set("look", look)?;
    set_with_stage(lua, &host, stage, "rep", repeat)?;
    host.raw_set("bit", bits::library(lua)?)?;
    host.raw_set("cjson", json::library(lua, stage)?)?;
    host.raw_set("cmsgpack", msgpack::library(lua, stage)?)?;
    host.raw_set("struct", binary::library(lua, stage)?)?;
    let began = Instant::now();
    host.raw_set("clock", lua.create_function(move |_, ()| Ok(began.elapsed().as_secs_f64()))?)?;
    set_with_stage(lua, &host, stage, "random", random)?;
    set_with_stage(lua, &host, stage, "randomseed", random_seed)?;
    host.raw_set("caught", lua.create_function(caught)?)?;
    host.raw_set("translate", lua.create_function(translate)?)?;
    let stage = Arc::clone(stage);
    let describe = lua.create_function(move |lua, value: Value| describe(lua, &stage, value))?;
    host.raw_set("describe", describe)?;
    Ok(host)
}

/// Sets a function that acts for the running script.
pub(super) fn set_with_stage<R: IntoLuaMulti + 'static>(
    lua: &Lua,
    table: &Table,
    stage: &Arc<Stage>,
    name: &str,
    function: fn(&Lua, &mut Acting, &MultiValue) -> mlua::Result<R>,
) -> mlua::Result<()> {
    let stage = Arc::clone(stage);
    let function = lua.create_function(move |lua, args: MultiValue| {
        function(lua, stage.lock().as_mut().ok_or_else(no_script)?, &args)
    })?;
    table.raw_set(name, function)
}

fn redis(lua: &Lua, stage: &Arc<Stage>) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    for (name, tag) in [("error_reply", "err"), ("status_reply", "ok")] {
        let function =
            lua.create_function(move |lua, args: MultiValue| tagged_reply(lua, tag, &args))?;
        redis.raw_set(name, function)?;
    }
    redis.raw_set("sha1hex", lua.create_function(|_, args: MultiValue| sha1hex(&args))?)?;
    redis.raw_set("log", lua.create_function(|_, args: MultiValue| log(&args))?)?;
    set_with_stage(lua, &redis, stage, "setresp", set_resp)?;
    redis.raw_set("set_repl", lua.create_function(|_, args: MultiValue| set_repl(&args))?)?;
    redis.raw_set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
    redis.raw_set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
    redis.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    set_with_stage(lua, &redis, stage, "acl_check_cmd", acl_check_cmd)?;
    for (level, name) in LEVELS.into_iter().enumerate() {
        redis.raw_set(name, level)?;
    }
    for (name, flags) in REPLICATION {
        redis.raw_set(name, flags)?;
    }
    redis.raw_set("REDIS_VERSION", VERSION)?;
    redis.raw_set("REDIS_VERSION_NUM", VERSION_NUMBER)?;
    Ok(redis)
}

// ---- redis ----

/// `redis.error_reply` and `redis.status_reply`.
fn tagged_reply(lua: &Lua, tag: &str, args: &MultiValue) -> mlua::Result<Table> {
    let [Value::String(text)] = args.as_slices().0 else {
        return raised::reply_table(lua, "ERR wrong number or type of arguments");
    };
    let table = lua.create_table_with_capacity(0, 1)?;
    let bytes = text.as_bytes();
    if tag == "err" {
        // A single word is no code: the code is ERR then.
        let text = bytes.strip_prefix(b"-").unwrap_or(&bytes);
        let coded = match memchr::memchr(b' ', text) {
            Some(_) => text.to_vec(),
            None => [b"ERR ", text].concat(),
        };
        table.raw_set(tag, lua.create_string(&coded)?)?;
    } else {
        table.raw_set(tag, text)?;
    }
    Ok(table)
}

fn sha1hex(args: &MultiValue) -> mlua::Result<String> {
    let [value] = args.as_slices().0 else {
        return Err(Raised::reply("ERR wrong number of arguments"));
    };
    Ok(Sha::of(&bytes_of(value).unwrap_or_default()).text())
}

/// `redis.log`: into the process' log.
fn log(args: &MultiValue) -> mlua::Result<()> {
    if args.len() < 2 {
        return Err(Raised::reply("ERR redis.log() requires two arguments or more."));
    }
    let mut words = args.iter();
    let level = words.next().and_then(number_of);
    let Some(level) = level else {
        return Err(Raised::reply("ERR First argument must be a number (log level)."));
    };
    if !(0.0..LEVELS.len() as f64).contains(&level) {
        return Err(Raised::reply("ERR Invalid debug level."));
    }
    let words: Vec<Vec<u8>> = words.filter_map(bytes_of).collect();
    let text = words.join(&b' ');
    let text = String::from_utf8_lossy(&text);
    match level as u8 {
        0 | 1 => tracing::debug!("script: {text}"),
        2 => tracing::info!("script: {text}"),
        _ => tracing::warn!("script: {text}"),
    }
    Ok(())
}

fn set_resp(_: &Lua, acting: &mut Acting, args: &MultiValue) -> mlua::Result<()> {
    let [version] = args.as_slices().0 else {
        return Err(Raised::reply("ERR redis.setresp() requires one argument."));
    };
    acting.resp3 = match number_of(version) {
        Some(2.0) => false,
        Some(3.0) => true,
        _ => return Err(Raised::reply("ERR RESP version must be 2 or 3.")),
    };
    Ok(())
}

/// `redis.set_repl`: there are no replicas, and the log needs every effect.
fn set_repl(args: &MultiValue) -> mlua::Result<()> {
    let [flags] = args.as_slices().0 else {
        return Err(Raised::reply("ERR redis.set_repl() requires two arguments."));
    };
    match number_of(flags) {
        Some(flags) if (0.0..=3.0).contains(&flags) => Ok(()),
        _ => Err(Raised::reply(
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        )),
    }
}

/// `redis.acl_check_cmd`: there is one user, who may do everything.
fn acl_check_cmd(_: &Lua, acting: &mut Acting, args: &MultiValue) -> mlua::Result<bool> {
    if args.is_empty() {
        let why = "ERR Please specify at least one argument for this redis lib call";
        return Err(Raised::reply(why));
    }
    let command = call::command(args, acting.memory);
    let command = command.map_err(|error| Raised::reply(error.text()))?;
    match table::lookup(command.name()).and_then(|spec| spec.resolve(&command)) {
        Some(_) => Ok(true),
        None => Err(Raised::reply("ERR Invalid command passed to redis.acl_check_cmd()")),
    }
}

// ---- Errors ----

/// What a script catches for an error of the host. An error that it may not
/// catch goes on.
fn caught(lua: &Lua, value: Value) -> mlua::Result<Value> {
    match value {
        Value::Error(error) => match Raised::of(&error) {
            Some(raised) => raised.caught(lua),
            None => Err(*error),
        },
        // How `redis.call` ends a script.
        Value::LightUserData(pointer) if !pointer.0.is_null() => {
            Err(mlua::Error::runtime("the script was ended"))
        }
        other => Ok(other),
    }
}

/// As [`caught`], but says by a truth value whether it may be caught.
fn translate(lua: &Lua, value: Value) -> mlua::Result<(bool, Value)> {
    match &value {
        Value::Error(error) => match Raised::of(error) {
            Some(raised) => Ok((true, raised.caught(lua)?)),
            None => Ok((false, value)),
        },
        Value::LightUserData(pointer) if !pointer.0.is_null() => Ok((false, value)),
        _ => Ok((true, value)),
    }
}

/// Notes the error that ends a script, with its place.
fn describe(lua: &Lua, stage: &Stage, value: Value) -> mlua::Result<Value> {
    let text = match &value {
        Value::Error(error) => match Raised::of(error) {
            Some(Raised::Reply(text)) => text.clone(),
            Some(Raised::Text(text)) => format!("ERR {text}"),
            None => return Ok(value),
        },
        Value::LightUserData(pointer) if !pointer.0.is_null() => return Ok(value),
        Value::Table(table) => match table.raw_get("err")? {
            Value::String(text) => text.to_string_lossy(),
            _ => "ERR the script raised a table without the text 'err'".to_owned(),
        },
        Value::String(text) => format!("ERR {}", text.to_string_lossy()),
        Value::Integer(n) => format!("ERR {n}"),
        Value::Number(n) => format!("ERR {}", general(*n, 14)),
        other => format!("ERR {}", other.type_name()),
    };
    let mut text = text;
    let mut place = None;
    for level in 1..FRAMES {
        let found = lua.inspect_stack(level, |frame| {
            let line = frame.current_line()?;
            let source = frame.source();
            let (full, short) = (source.source?, source.short_src?);
            Some((full.into_owned(), short.into_owned(), line))
        });
        match found {
            Some(Some((source, ..))) if source == "=prelude" => {}
            Some(Some(found)) => {
                place = Some(found);
                break;
            }
            Some(None) => {}
            None => break,
        }
    }
    // Raised by what the prelude wraps: the place is the caller's.
    let wrapped = text.strip_prefix("ERR prelude:").and_then(|rest| rest.split_once(": "));
    if let Some((_, rest)) = wrapped {
        text = match &place {
            Some((_, short, line)) => format!("ERR {short}:{line}: {rest}"),
            None => format!("ERR {rest}"),
        };
    }
    if let Some((source, _, line)) = place {
        // What `script: <digest>` stands for is put in by whoever knows it.
        text.push('\0');
        text.push_str(&format!("{source}:{line}."));
    }
    if let Some(acting) = stage.lock().as_mut() {
        acting.failure = Some(text);
    }
    Ok(Value::Nil)
}

/// `string.rep`. Lua's own takes a turn for each repetition, of nothing too.
fn repeat(lua: &Lua, acting: &mut Acting, args: &MultiValue) -> mlua::Result<LuaString> {
    let Some(text) = args.iter().next().and_then(bytes_of) else {
        let got = args.iter().next().map_or("no value", type_name);
        let why = format!("string expected, got {got}");
        return Err(Raised::argument(lua, 1, "rep", &why));
    };
    let times = usize::try_from(whole(lua, args, 1, "rep")?).unwrap_or(0);
    if text.len().saturating_mul(times) > acting.memory {
        return Err(mlua::Error::MemoryError("string.rep".to_owned()));
    }
    lua.create_string(text.repeat(times))
}
