//! [`Serving`]: the server as a connection's command meets it.

use std::time::{Duration, Instant};

use tuckbox_engine::{Connection, Engine, Host, Position, Request, has_command};
use tuckbox_resp::{
    Command, ErrorReply, Reply,
    table::{self, CommandSpec, Flags, Group},
};

use crate::{
    commands::{self, WRONG_PASSWORD, monitor},
    server::{Hall, Link},
};

/// The server as a connection's command meets it: the host of the engine's
/// connections.
pub(crate) struct Serving<'a> {
    pub(crate) hall: &'a mut Hall,
    pub(crate) engine: &'a Engine,
    /// Whose command it is.
    pub(crate) link: &'a mut Link,
    /// That connection's place.
    pub(crate) index: usize,
    /// What has to be durable before a reply of the server's own leaves.
    pub(crate) needs: Position,
}

/// What the server leaves to the engine, though it could be thought its own.
const OF_THE_ENGINE: [&str; 11] = [
    "client|caching",
    "client|getname",
    "client|getredir",
    "client|id",
    "client|no-evict",
    "client|no-touch",
    "client|setinfo",
    "client|setname",
    "client|tracking",
    "client|trackinginfo",
    "client|unblock",
];

/// Whether the server runs this command or subcommand.
pub(crate) fn is_of_the_server(spec: &CommandSpec) -> bool {
    match spec.group {
        Group::Connection => {
            spec.name == "auth"
                || spec.name.starts_with("client|") && !OF_THE_ENGINE.contains(&spec.name)
        }
        Group::Server => {
            let container = spec.name.split('|').next().unwrap_or_default();
            let container = table::lookup(container.as_bytes());
            container.is_some_and(|spec| !has_command(spec) && spec.name != "memory")
        }
        _ => false,
    }
}

impl Host for Serving<'_> {
    fn has(&self, spec: &CommandSpec) -> bool {
        is_of_the_server(spec)
    }

    fn run(&mut self, request: Request<'_>) -> Result<Reply, ErrorReply> {
        commands::run(self, request)
    }

    fn log_in(&mut self, user: &[u8], password: &[u8]) -> Result<(), ErrorReply> {
        let right = match &self.hall.settings.password {
            Some(expected) => expected.is(password),
            None => true,
        };
        if user != b"default" || !right {
            self.hall.counters.failed_logins += 1;
            return Err(WRONG_PASSWORD.into());
        }
        self.link.let_in();
        Ok(())
    }

    fn is_logged_in(&self) -> bool {
        self.link.logged_in
    }

    fn ran(
        &mut self,
        connection: &Connection,
        spec: &'static CommandSpec,
        command: &Command,
        reply: &Reply,
    ) {
        self.note(connection, spec, command, reply);
    }
}

impl Serving<'_> {
    /// Notes that a command was run: in the counters, in the slow log, and with
    /// those who monitor.
    pub(crate) fn note(
        &mut self,
        connection: &Connection,
        spec: &'static CommandSpec,
        command: &Command,
        reply: &Reply,
    ) {
        let now = Instant::now();
        let hall = &mut *self.hall;
        let began = std::mem::replace(&mut hall.clock, now);
        let took = now.saturating_duration_since(began);
        let lines = {
            let mut said = hall.heard.lock();
            said.tally.ran(spec, took, matches!(reply, Reply::Error(_)));
            if spec.group == Group::Scripting {
                let error = if let Reply::Error(error) = reply { Some(error) } else { None };
                said.end_script(error);
            } else {
                said.tally.note_reply(reply);
            }
            std::mem::take(&mut said.lines)
        };
        let (slower_than, threshold) = (hall.settings.slower_than, hall.settings.latency_threshold);
        if took >= slower_than && !spec.flags.contains(Flags::SKIP_SLOWLOG) {
            let address = self.link.address;
            let unix_ms = self.engine.clock().now_ms();
            let limit = hall.settings.slowlog_max_len;
            hall.slow.add(unix_ms, took, command, address, connection.client().name(), limit);
        }
        if took >= threshold && !threshold.is_zero() {
            hall.latency.add(self.engine.clock().now_ms(), spec, took);
        }
        if !hall.monitors.is_empty() && !spec.flags.contains(Flags::ADMIN) {
            let unix_ms = self.engine.clock().now_ms();
            // What a script has called comes after the script, and that began earlier.
            let before = if lines.is_empty() { Duration::ZERO } else { took };
            let unix_ms = unix_ms.saturating_sub(before.as_millis() as u64);
            let db = connection.client().db();
            let line = monitor::line(unix_ms, db, &self.link.address, command);
            hall.show_monitors(&(line + &lines));
        }
    }
}
