//! The commands that concern the server and other clients: one file per group.

mod access;
mod acl;
mod admin;
mod client;
mod command;
mod config;
mod debug;
mod docs;
mod help;
mod info;
pub(crate) mod latency;
pub(crate) mod monitor;
mod secrets;
pub(crate) mod slowlog;

use tuckbox_engine::Request;
use tuckbox_resp::{Command, ErrorReply, Reply};

use crate::host::Serving;

/// What a command of the server answers.
pub(crate) type Answer = Result<Reply, ErrorReply>;

pub(crate) const WRONG_PASSWORD: &str =
    "WRONGPASS invalid username-password pair or user is disabled.";
pub(crate) const SYNTAX: &str = "ERR syntax error";

/// Runs a command that [`is_of_the_server`](crate::host::is_of_the_server).
pub(crate) fn run(serving: &mut Serving<'_>, mut request: Request<'_>) -> Answer {
    let name = request.spec.name;
    if let Some(lines) = help::lines(name) {
        return Ok(lines);
    }
    let (container, subcommand) = name.split_once('|').unwrap_or((name, ""));
    match container {
        "acl" => acl::run(subcommand, &request),
        "auth" => client::auth(serving, request.command),
        "client" => client::run(serving, subcommand, &request),
        "command" => command::run(subcommand, request.command),
        "config" => config::run(serving, subcommand, &mut request),
        "debug" => debug::run(serving, &request),
        "info" => info::run(serving, &mut request),
        "latency" => latency::run(serving, subcommand, request.command),
        "monitor" => monitor::begin(serving, &request),
        "slowlog" => slowlog::run(serving, subcommand, request.command),
        _ => admin::run(serving, &mut request),
    }
}

/// The number in argument `index`.
fn integer(command: &Command, index: usize) -> Result<i64, ErrorReply> {
    let text = command.get(index).and_then(|arg| std::str::from_utf8(arg).ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| "ERR value is not an integer or out of range".into())
}

/// Whether an argument is this word, in any case.
fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// An argument as an error repeats it.
fn shown(arg: &[u8]) -> String {
    String::from_utf8_lossy(arg.get(..128).unwrap_or(arg)).into_owned()
}

fn text(text: &str) -> Reply {
    Reply::bulk(text.as_bytes())
}

fn number(number: impl TryInto<i64>) -> Reply {
    Reply::Integer(number.try_into().unwrap_or(i64::MAX))
}

/// Text to be read by a person.
fn prose(text: String) -> Reply {
    Reply::Verbatim { format: *b"txt", text: text.into() }
}
