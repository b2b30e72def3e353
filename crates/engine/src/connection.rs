//! [`Connection`]: what the engine remembers of one client.

use std::sync::Arc;

use tuckbox_resp::{
    Command, ErrorReply, Reply,
    table::{self, CommandSpec, Flags, Group},
};

use crate::{
    client::Client,
    commands,
    database::{Call, LOGICAL},
    engine::{Inner, Position},
    host::{Alone, Host, Request},
    room::{Demand, Room},
    script,
    stats::Stats,
    transaction::{self, Queue, Queued, Watches},
};

/// What running a command gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed {
    /// The reply. It may be shown once the log is durable up to `position`.
    pub reply: Reply,
    /// What has to be durable first; see [`Engine::durable`](crate::Engine::durable).
    pub position: Position,
}

impl Executed {
    /// A reply that waits for nothing.
    pub(crate) fn now(reply: Reply) -> Self {
        Self { reply, position: Position::NONE }
    }
}

/// One client's view of an engine: the logical database it selected, its
/// transaction and watches, its name and protocol.
///
/// Dropping it discards an open transaction and all watches.
#[derive(Debug)]
pub struct Connection {
    pub(crate) engine: Arc<Inner>,
    pub(crate) client: Client,
    pub(crate) queue: Option<Queue>,
    pub(crate) watches: Watches,
}

impl Connection {
    pub(crate) fn new(engine: Arc<Inner>, id: u64) -> Self {
        Self { engine, client: Client::new(id), queue: None, watches: Watches::default() }
    }

    /// What the client is called, and what it chose.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the client speaks RESP3, as it said by `HELLO 3`.
    #[must_use]
    pub fn is_resp3(&self) -> bool {
        self.client.resp3
    }

    /// How many commands the open transaction holds; `None` when there is none.
    #[must_use]
    pub fn queued(&self) -> Option<usize> {
        self.queue.as_ref().map(Queue::len)
    }

    /// How many keys the client watches.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.watches.len()
    }

    /// Whether a command that is well formed may change data if it is run now: a
    /// write does, an `EXEC` when one of those it runs does, and a script unless it
    /// says that it does not.
    #[must_use]
    pub fn may_write(&self, spec: &'static CommandSpec, command: &Command) -> bool {
        if spec.name == "exec" {
            return self.queue.as_ref().is_some_and(|queue| queue.may_write(&self.engine.database));
        }
        script::may_write(&self.engine.database, spec, command)
    }

    /// Runs a command. Errors are replies. The reply may be shown once
    /// [`Engine::durable`](crate::Engine::durable) resolves for the position.
    ///
    /// A command that may write waits here, blocking this thread, when there is no
    /// [room](crate::Engine::room) for it. A key that is not in memory is read from
    /// disk here.
    pub fn execute(&mut self, command: &Command) -> Executed {
        if !self.engine.database.has_room(Demand::Memory) {
            self.wait_for_room(command);
        }
        self.execute_now(command)
    }

    /// [`execute`](Self::execute) without waiting for room.
    pub fn execute_now(&mut self, command: &Command) -> Executed {
        self.execute_in(&mut Alone, command)
    }

    #[cold]
    fn wait_for_room(&self, command: &Command) {
        let spec = table::lookup(command.name()).and_then(|spec| spec.resolve(command));
        let demand = spec.map_or(Demand::Nothing, |spec| self.demand(spec));
        Room::new(&self.engine.database, demand).wait();
    }

    /// What room a command of this spec needs on this connection: none where it
    /// joins a transaction, and at the end of one all that its commands need.
    #[must_use]
    pub fn demand(&self, spec: &CommandSpec) -> Demand {
        match &self.queue {
            None => Demand::of_spec(spec),
            Some(queue) if spec.name == "exec" => queue.demand(),
            Some(_) => Demand::Nothing,
        }
    }

    /// [`execute_now`](Self::execute_now) where a [`Host`] has commands of its own,
    /// such as a server.
    pub fn execute_in<H: Host>(&mut self, host: &mut H, command: &Command) -> Executed {
        match self.prepare(host, command) {
            Ok(Prepared::Data(call)) => {
                if let Some(queue) = &mut self.queue {
                    return Executed::now(queue.push(Queued::Data(call)));
                }
                if call.spec.flags.contains(Flags::ALLOW_BUSY) {
                    return Executed::now(script::kill(&self.engine.database.script));
                }
                let (reply, position) = self.engine.database.execute(&call, self.client.resp3);
                Executed { reply, position: Position(position) }
            }
            Ok(Prepared::Local(spec)) => self.execute_local(host, spec, command),
            Err(error) => Executed::now(self.refuse(command, error)),
        }
    }

    /// Answers a command that is refused for the reason `error`: one that the
    /// client queues dooms its transaction, and an `EXEC` ends it.
    pub fn refuse(&mut self, command: &Command, error: ErrorReply) -> Reply {
        if commands::is(command.name(), "EXEC") {
            self.discard();
            let text = error.text();
            let why = text.strip_prefix("ERR ").unwrap_or(text);
            return Reply::error(transaction::aborted(why));
        }
        if let Some(queue) = &mut self.queue {
            queue.fail();
        }
        Reply::Error(error)
    }

    /// Finds what a command is, and refuses what is not one.
    fn prepare<H: Host>(&self, host: &H, command: &Command) -> Result<Prepared, ErrorReply> {
        let found = table::lookup(command.name());
        let Some(spec) = found.filter(|spec| is_here(spec) || host.has(spec)) else {
            return Err(unknown_command(command));
        };
        let Some(exact) = spec.resolve(command) else {
            return Err(unknown_subcommand(spec, command));
        };
        if !exact.arity_ok(command.len()) {
            let name = exact.name;
            return Err(format!("ERR wrong number of arguments for '{name}' command").into());
        }
        Ok(match commands::handler(spec) {
            Some(handler) => Prepared::Data(Call {
                spec: exact,
                handler,
                command: command.clone(),
                db: self.client.db,
            }),
            None => Prepared::Local(exact),
        })
    }

    fn execute_local<H: Host>(
        &mut self,
        host: &mut H,
        spec: &'static CommandSpec,
        command: &Command,
    ) -> Executed {
        if let Some(executed) = self.transact(host, spec, command) {
            return executed;
        }
        if let Some(queue) = &mut self.queue {
            return Executed::now(queue.push(Queued::Local(spec, command.clone())));
        }
        let engine = Arc::clone(&self.engine);
        let stats = &mut || engine.stats();
        Executed::now(self.local(host, spec, command, false, stats))
    }

    /// Runs a command that needs no data. `stats` can be asked when the database's
    /// lock is held too, which `locked` tells.
    pub(crate) fn local<H: Host>(
        &mut self,
        host: &mut H,
        spec: &'static CommandSpec,
        command: &Command,
        locked: bool,
        stats: &mut dyn FnMut() -> Stats,
    ) -> Reply {
        if host.has(spec) {
            let request = Request { connection: self, spec, command, locked, stats };
            return host.run(request).unwrap_or_else(Reply::Error);
        }
        let result = match spec.name {
            "select" => self.select(command),
            "reset" => {
                self.discard();
                self.client = Client::new(self.client.id);
                Ok(Reply::Simple("RESET".into()))
            }
            "hello" => self.client.hello(host, command),
            name => self.client.run(container(name), command),
        };
        result.unwrap_or_else(Reply::Error)
    }

    fn select(&mut self, command: &Command) -> Result<Reply, ErrorReply> {
        let index = commands::integer(&command[1])?;
        if i32::try_from(index).is_err() {
            return Err(NO_INDEX.into());
        }
        match usize::try_from(index) {
            Ok(db) if db < LOGICAL => {
                self.client.db = db;
                Ok(Reply::OK)
            }
            _ => Err("ERR DB index is out of range".into()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.discard();
    }
}

/// What a well-formed command is.
enum Prepared {
    /// A command on data.
    Data(Call),
    /// A command on the connection itself.
    Local(&'static CommandSpec),
}

/// The container of a subcommand, or the command itself.
fn container(name: &'static str) -> &'static str {
    name.split_once('|').map_or(name, |(container, _)| container)
}

/// Whether this engine has the command at all.
pub(crate) fn is_here(spec: &CommandSpec) -> bool {
    commands::handler(spec).is_some()
        || matches!(spec.group, Group::Connection | Group::Transactions)
}

/// How much of an unknown command its error repeats, as in Redis.
const REPEATED: usize = 128;

const NO_INDEX: &str = "ERR value is out of range, value must between -2147483648 and 2147483647";

fn unknown_command(command: &Command) -> ErrorReply {
    let mut args = Vec::new();
    for arg in command.iter_from(1) {
        let Some(room) = REPEATED.checked_sub(args.len()).filter(|&room| room > 0) else { break };
        args.push(b'\'');
        args.extend_from_slice(repeated(arg, room));
        args.extend_from_slice(b"' ");
    }
    let name = String::from_utf8_lossy(repeated(command.name(), REPEATED));
    let args = String::from_utf8_lossy(&args);
    format!("ERR unknown command '{name}', with args beginning with: {args}").into()
}

fn unknown_subcommand(spec: &CommandSpec, command: &Command) -> ErrorReply {
    let name = repeated(command.get(1).unwrap_or_default(), REPEATED);
    let name = String::from_utf8_lossy(name);
    let container = spec.name.to_ascii_uppercase();
    format!("ERR unknown subcommand '{name}'. Try {container} HELP.").into()
}

/// What an error repeats of an argument: no more than `room` bytes, and
/// nothing from a zero byte on, where C's text ends.
pub(crate) fn repeated(arg: &[u8], room: usize) -> &[u8] {
    let arg = arg.get(..room).unwrap_or(arg);
    memchr::memchr(0, arg).map_or(arg, |end| &arg[..end])
}
