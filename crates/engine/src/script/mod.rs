//! Lua scripts: `EVAL`, `EVALSHA`, `EVAL_RO`, `EVALSHA_RO` and `SCRIPT`.
//!
//! A script runs under the database's lock, as one frame of the log: the
//! commands it calls go through the handlers that clients' commands go
//! through, and tell their effects. The script itself is never logged.
//!
//! One machine runs all scripts of a database, made when the first comes. While
//! a script runs, the database's state is on the machine's [`Stage`], where the
//! functions that scripts call find it; so these are made once and not for
//! every run. [`prelude.lua`](prelude.lua) builds the world that scripts see.
//!
//! | file | |
//! |---|---|
//! | `commands` | the commands of this group |
//! | `cache` | scripts by their digest |
//! | `header` | the first line of a script, with its flags |
//! | `machine` | the Lua machine |
//! | `stage` | what a running script acts on |
//! | `call` | the commands that scripts run |
//! | `stack` | `redis.call`; replies to Lua values and back |
//! | `library` | the functions in `redis`, `math` and `os` |
//! | `binary`, `bits`, `json`, `msgpack` | `struct`, `bit`, `cjson` and `cmsgpack` |
//! | `output` | what these write |
//! | `number` | numbers as C prints them |
//! | `raised` | errors that scripts can catch |
//! | `watch` | `SCRIPT KILL` |

mod arguments;
mod binary;
mod bits;
mod cache;
mod call;
mod commands;
mod dice;
mod header;
mod json;
mod library;
mod machine;
mod msgpack;
mod number;
mod output;
mod raised;
mod stack;
mod stage;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use commands::{COMMANDS, Scripts, kill, may_write};
#[cfg(test)]
use watch::Kill;
pub(crate) use watch::Watch;
