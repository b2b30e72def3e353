//! `MULTI`, `EXEC`, `DISCARD`, `WATCH`, `UNWATCH`.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tuckbox_resp::{
    Command, Reply,
    table::{CommandSpec, Flags},
};

use crate::{
    Executed, Position,
    connection::Connection,
    database::{Call, Database, Running},
    host::Host,
    room::Demand,
    script,
    stats::Stats,
};

/// Commands that one transaction holds at the most.
const QUEUE_MAX: usize = 1_000_000;

/// The commands of an open transaction.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    commands: Vec<Queued>,
    failed: bool,
}

/// A command that waits for `EXEC`.
#[derive(Debug)]
pub(crate) enum Queued {
    /// A command on data. It runs on the logical database selected by then.
    Data(Call),
    /// A command on the connection.
    Local(&'static CommandSpec, Command),
}

impl Queue {
    /// Adds a command; answers `QUEUED`, or an error that dooms the
    /// transaction.
    pub(crate) fn push(&mut self, queued: Queued) -> Reply {
        let spec = match &queued {
            Queued::Data(call) => call.spec,
            Queued::Local(spec, _) => spec,
        };
        if spec.flags.contains(Flags::NO_MULTI) {
            self.fail();
            return Reply::error("ERR Command not allowed inside a transaction");
        }
        if self.commands.len() == QUEUE_MAX {
            self.fail();
            return Reply::error("ERR too many commands in one transaction");
        }
        if !self.failed {
            self.commands.push(queued);
        }
        Reply::QUEUED
    }

    /// Whether any of them may change data.
    pub(crate) fn may_write(&self, database: &Database) -> bool {
        self.commands.iter().any(|queued| match queued {
            Queued::Data(call) => script::may_write(database, call.spec, &call.command),
            Queued::Local(spec, command) => script::may_write(database, spec, command),
        })
    }

    /// How many commands wait.
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// What room the commands need when they run.
    pub(crate) fn demand(&self) -> Demand {
        let demands = self.commands.iter().map(|queued| match queued {
            Queued::Data(call) => Demand::of_spec(call.spec),
            Queued::Local(..) => Demand::Nothing,
        });
        demands.max().unwrap_or_default()
    }

    /// Notes that a command could not be queued: `EXEC` will refuse.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
        self.commands.clear();
    }

    /// The commands on data, each with the logical database it will run on.
    fn calls(&mut self, mut db: usize) -> Vec<Call> {
        let mut calls = Vec::with_capacity(self.commands.len());
        for queued in &mut self.commands {
            match queued {
                Queued::Data(call) => {
                    call.db = db;
                    calls.push(call.clone());
                }
                Queued::Local(spec, command) if spec.name == "select" => {
                    let index = command.get(1).and_then(crate::memory::parse_integer);
                    let selected = index.and_then(|index| usize::try_from(index).ok());
                    db = selected.filter(|&db| db < crate::database::LOGICAL).unwrap_or(db);
                }
                Queued::Local(..) => {}
            }
        }
        calls
    }
}

/// The keys a connection watches.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// Raised when one of the keys changes.
    changed: Arc<AtomicBool>,
    keys: HashSet<(usize, Box<[u8]>)>,
}

impl Watches {
    /// How many keys are watched.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Connection {
    /// Runs a command that governs transactions; `None` for all others.
    pub(crate) fn transact<H: Host>(
        &mut self,
        host: &mut H,
        spec: &'static CommandSpec,
        command: &Command,
    ) -> Option<Executed> {
        let reply = match spec.name {
            "multi" if self.queue.is_some() => Reply::error("ERR MULTI calls can not be nested"),
            "multi" => {
                self.queue = Some(Queue::default());
                Reply::OK
            }
            "exec" => return Some(self.exec(host)),
            "discard" if self.queue.is_some() => {
                self.discard();
                Reply::OK
            }
            "discard" => Reply::error("ERR DISCARD without MULTI"),
            "watch" if self.queue.is_some() => {
                Reply::error("ERR WATCH inside MULTI is not allowed")
            }
            "watch" => self.watch(command),
            "unwatch" if self.queue.is_none() => {
                self.unwatch();
                Reply::OK
            }
            // These end a transaction rather than join it.
            "quit" | "reset" => {
                self.discard();
                return None;
            }
            _ => return None,
        };
        Some(Executed { reply, position: Position::NONE })
    }

    /// Drops the open transaction and all watches.
    pub(crate) fn discard(&mut self) {
        self.queue = None;
        self.unwatch();
    }

    fn watch(&mut self, command: &Command) -> Reply {
        let db = self.client.db;
        let engine = Arc::clone(&self.engine);
        let keys: Vec<&[u8]> = command.iter_from(1).collect();
        let watched: Vec<_> = keys.iter().map(|key| (db, *key)).collect();
        // A key that has expired already is removed first, so it is watched as
        // a missing one.
        let watched = engine.database.run_watched(&[], &watched, false, |running| {
            let keyspace = &mut running.state.keyspaces[db];
            for key in keys {
                if self.watches.keys.insert((db, key.into())) {
                    keyspace.watch(key, Arc::clone(&self.watches.changed));
                }
            }
        });
        match watched {
            Ok(_) => Reply::OK,
            Err(error) => Reply::Error(error),
        }
    }

    fn unwatch(&mut self) {
        if self.watches.keys.is_empty() {
            return;
        }
        let mut state = self.engine.database.lock();
        for (db, key) in self.watches.keys.drain() {
            state.keyspaces[db].unwatch(&key, &self.watches.changed);
        }
        drop(state);
        self.watches.changed = Arc::default();
    }

    fn exec<H: Host>(&mut self, host: &mut H) -> Executed {
        let Some(mut queue) = self.queue.take() else {
            let reply = Reply::error("ERR EXEC without MULTI");
            return Executed { reply, position: Position::NONE };
        };
        let executed = if queue.failed {
            let text = "EXECABORT Transaction discarded because of previous errors.";
            Executed { reply: Reply::error(text), position: Position::NONE }
        } else {
            self.exec_queue(host, &mut queue)
        };
        self.unwatch();
        executed
    }

    fn exec_queue<H: Host>(&mut self, host: &mut H, queue: &mut Queue) -> Executed {
        let calls = queue.calls(self.client.db);
        let engine = Arc::clone(&self.engine);
        let keys = std::mem::take(&mut self.watches.keys);
        let watched: Vec<_> = keys.iter().map(|(db, key)| (*db, &**key)).collect();
        let changed = Arc::clone(&self.watches.changed);
        let resp3 = self.client.resp3;
        let result = engine.database.run_watched(&calls, &watched, resp3, |running| {
            if changed.load(Ordering::Relaxed) {
                return Reply::NullArray;
            }
            let run = |queued: &Queued| self.run_queued(host, running, queued);
            Reply::Array(queue.commands.iter().map(run).collect())
        });
        self.watches.keys = keys;
        match result {
            Ok((reply, position)) => Executed { reply, position: Position(position) },
            Err(error) => {
                let reply = Reply::error(aborted(error.text()));
                Executed { reply, position: Position::NONE }
            }
        }
    }

    fn run_queued<H: Host>(
        &mut self,
        host: &mut H,
        running: &mut Running<'_>,
        queued: &Queued,
    ) -> Reply {
        let (spec, command) = match queued {
            Queued::Data(call) => (call.spec, &call.command),
            Queued::Local(spec, command) => (*spec, command),
        };
        let reply = match queued {
            Queued::Data(call) => running.call(call),
            Queued::Local(..) => {
                let engine = Arc::clone(&self.engine);
                let stats = &mut || Stats::of(&engine.database, running.state);
                self.local(host, spec, command, true, stats)
            }
        };
        host.ran(self, spec, command, &reply);
        reply
    }
}

/// The error of an `EXEC` that could not run, for the reason `why`.
pub(crate) fn aborted(why: &str) -> String {
    format!("EXECABORT Transaction discarded because of: {why}")
}
