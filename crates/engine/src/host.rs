//! [`Host`]: what runs connections and has commands of its own.

use std::time::Duration;

use tuckbox_resp::{Command, ErrorReply, Reply, table::CommandSpec};

use crate::{Connection, client::WRONG_PASSWORD, stats::Stats};

/// What connections are run by, such as a server.
///
/// An engine knows data, connections and transactions. What concerns a process
/// with a listener (`INFO`, `CONFIG`, other clients) is its host's. Such a
/// command goes through the engine all the same: so it waits in a transaction
/// with the others, and runs in its place.
pub trait Host {
    /// Whether a command is the host's, and not the engine's. Asked of
    /// containers, such as `client`, and of their subcommands.
    fn has(&self, spec: &CommandSpec) -> bool;

    /// Runs a command that is the host's; its arity was checked.
    ///
    /// May be called under the database's lock, within a transaction: it must
    /// not use the engine but by what `request` has.
    ///
    /// # Errors
    /// The error that the command answers.
    fn run(&mut self, request: Request<'_>) -> Result<Reply, ErrorReply>;

    /// The login that an option of `HELLO` asks for.
    ///
    /// # Errors
    /// What `HELLO` answers when it fails.
    fn log_in(&mut self, user: &[u8], password: &[u8]) -> Result<(), ErrorReply>;

    /// Whether the connection may do more than log in.
    fn is_logged_in(&self) -> bool;

    /// A command of a transaction was run, under the database's lock.
    fn ran(
        &mut self,
        connection: &Connection,
        spec: &'static CommandSpec,
        command: &Command,
        reply: &Reply,
    );
}

/// A command of a [`Host`] that is to be run.
pub struct Request<'a> {
    /// Who sent it.
    pub connection: &'a Connection,
    /// What the table says of the command, or of its subcommand.
    pub spec: &'static CommandSpec,
    /// The command.
    pub command: &'a Command,
    /// Whether this is within a transaction, under the database's lock.
    pub locked: bool,
    /// What the engine holds and did.
    pub stats: &'a mut dyn FnMut() -> Stats,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("command", &self.command).finish_non_exhaustive()
    }
}

/// What hears of the commands that scripts call, such as a server that counts them;
/// see [`Engine::listen_to_scripts`](crate::Engine::listen_to_scripts).
///
/// It is called on the thread that runs the script, under the database's lock: it
/// must not use the engine, and it must not take long.
pub trait ScriptListener: Send + Sync {
    /// A script has called a command.
    fn called(&self, call: ScriptCall<'_>);
}

/// A command that a script has called.
#[derive(Clone, Copy, Debug)]
pub struct ScriptCall<'a> {
    /// The command.
    pub command: &'a Command,
    /// What the table says of it, or of its subcommand; `None` when it was refused
    /// before it ran.
    pub ran: Option<&'static CommandSpec>,
    /// The logical database that the script had selected.
    pub db: usize,
    /// How long it took.
    pub took: Duration,
    /// What it answered, if that was an error.
    pub error: Option<&'a ErrorReply>,
}

/// Whether the whole of `text` matches the glob `pattern` as `KEYS` means it. At
/// worst as slow as the two lengths multiplied.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    crate::memory::glob(pattern, text)
}

/// No host: connections within a process.
#[derive(Debug)]
pub(crate) struct Alone;

impl Host for Alone {
    #[inline]
    fn has(&self, _spec: &CommandSpec) -> bool {
        false
    }

    fn run(&mut self, _request: Request<'_>) -> Result<Reply, ErrorReply> {
        Err("ERR this connection is inside a process".into())
    }

    /// The default user has no password, so any will do.
    fn log_in(&mut self, user: &[u8], _password: &[u8]) -> Result<(), ErrorReply> {
        if user == b"default" { Ok(()) } else { Err(WRONG_PASSWORD.into()) }
    }

    fn is_logged_in(&self) -> bool {
        true
    }

    #[inline]
    fn ran(
        &mut self,
        _connection: &Connection,
        _spec: &'static CommandSpec,
        _command: &Command,
        _reply: &Reply,
    ) {
    }
}
