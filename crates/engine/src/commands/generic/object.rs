//! What is behind a value.

use tuckbox_resp::{Command, ErrorReply, Reply};

use crate::commands::{Context, SYNTAX, integer, is};

/// Bytes that a key takes besides its name and its value, roughly: its place
/// in the keyspace at the usual load, and the allocations' overhead.
const PER_KEY: usize = 128;

const NO_LFU: &str = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. \
     Please note that when switching between policies at runtime LRU and LFU data will take some \
     time to adjust.";

const OBJECT_HELP: [&str; 11] = [
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Name the form in which the value of <key> is kept.",
    "FREQ <key>",
    "    Not tracked: an error for every <key> that exists.",
    "IDLETIME <key>",
    "    Always 0: asking uses <key>, and times before that are not kept.",
    "REFCOUNT <key>",
    "    Always 1: a value belongs to one key.",
    "HELP",
    "    Print this help.",
];

const MEMORY_HELP: [&str; 5] = [
    "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "USAGE <key> [SAMPLES <count>]",
    "    Estimate the bytes that <key> and its value take. <count> is not needed.",
    "HELP",
    "    Print this help.",
];

pub(super) fn object(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let subcommand = &command[1];
    if is(subcommand, "HELP") {
        return Ok(help(&OBJECT_HELP));
    }
    let Some(value) = command.get(2).and_then(|key| ctx.get(key)) else { return Ok(Reply::Null) };
    if is(subcommand, "ENCODING") {
        Ok(Reply::bulk(value.encoding().as_bytes()))
    } else if is(subcommand, "REFCOUNT") {
        Ok(Reply::Integer(1))
    } else if is(subcommand, "IDLETIME") {
        Ok(Reply::Integer(0))
    } else if is(subcommand, "FREQ") {
        Err(NO_LFU.into())
    } else {
        Err(SYNTAX.into())
    }
}

pub(super) fn memory(ctx: &mut Context<'_>, command: &Command) -> Result<Reply, ErrorReply> {
    let subcommand = &command[1];
    if is(subcommand, "HELP") {
        return Ok(help(&MEMORY_HELP));
    }
    if !is(subcommand, "USAGE") {
        let name = String::from_utf8_lossy(subcommand).to_ascii_uppercase();
        return Err(format!("ERR MEMORY {name} is not available. Try MEMORY HELP.").into());
    }
    let key = command.get(2).ok_or(SYNTAX)?;
    let mut options = command.iter_from(3);
    while let Some(option) = options.next() {
        let count = options.next().filter(|_| is(option, "SAMPLES")).ok_or(SYNTAX)?;
        if integer(count)? < 0 {
            return Err(SYNTAX.into());
        }
    }
    Ok(match ctx.get(key) {
        Some(value) => Reply::Integer((PER_KEY + key.len() + value.memory_of_all()) as i64),
        None => Reply::Null,
    })
}

fn help(lines: &[&'static str]) -> Reply {
    Reply::Array(lines.iter().map(|&line| Reply::Simple(line.into())).collect())
}
