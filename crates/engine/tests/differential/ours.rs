//! The engines under test.

use std::{fs, path::Path, sync::Arc};
use tuckbox_test_redis::Answer;

use bytes::BytesMut;
use tempfile::TempDir;
use tuckbox_engine::{
    Clock, Connection, Durability, Engine, ManualClock, Options, Position, SystemClock,
};
use tuckbox_resp::{Command, Limits, Protocol, ReplyParser, write_reply};

/// So small that keys are dropped from memory and read back all the time.
const MEMORY_LIMIT: usize = 8 << 10;
const CHECKPOINT_LOG_BYTES: u64 = 16 << 10;

/// So small that hashes of a few fields are in parts of one or two.
const PART_BYTES: usize = 16;

/// Unix time in milliseconds, as the server sees it.
pub(crate) fn wall_clock() -> u64 {
    SystemClock::default().now_ms()
}

/// So rarely that no run sees it.
const NEVER_MS: u64 = 3_600_000;

/// What an engine under test keeps, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Memory,
    /// A store, and hardly any memory: keys are dropped and read back. It is
    /// closed and opened again.
    Store,
    /// A log that is never checkpointed. It is opened as a crash leaves it, so
    /// that all it has is what the effects in the log say.
    Log,
}

/// An engine and the connections to it.
pub(crate) struct Ours {
    pub(crate) kind: Kind,
    engine: Engine,
    connections: Vec<Connection>,
    clock: ManualClock,
    dir: TempDir,
    /// The latest position of the log that a reply needs.
    position: Position,
}

impl Ours {
    pub(crate) fn start(kind: Kind, connections: usize) -> Self {
        let clock = ManualClock::at(wall_clock());
        let dir = tempfile::tempdir().expect("a directory");
        let engine = open(kind, dir.path(), &clock);
        let connections = (0..connections).map(|_| engine.connection()).collect();
        Self { kind, engine, connections, clock, dir, position: Position::NONE }
    }

    /// Runs a command at the time `now`, which is never before the last one.
    pub(crate) fn call(&mut self, connection: usize, command: &Command, now: u64) -> Answer {
        self.clock.advance(now.saturating_sub(self.clock.now_ms()));
        let connection = &mut self.connections[connection];
        let executed = connection.execute(command);
        self.position = self.position.max(executed.position);
        let protocol = if connection.is_resp3() { Protocol::Resp3 } else { Protocol::Resp2 };
        let mut written = BytesMut::new();
        write_reply(&executed.reply, protocol, &mut written);
        let bytes = written.to_vec();
        let mut parser = ReplyParser::new(Limits::REPLY);
        let reply = parser.parse(&mut written).expect("a reply").expect("a whole reply");
        assert!(written.is_empty(), "more than one reply to {command:?}");
        Answer { bytes, reply }
    }

    /// Replaces a connection by a new one.
    pub(crate) fn reconnect(&mut self, connection: usize) {
        self.connections[connection] = self.engine.connection();
    }

    pub(crate) fn checkpoint(&self) {
        if self.kind == Kind::Store {
            self.engine.checkpoint().expect("a checkpoint");
        }
    }

    /// Ends all connections; an engine that keeps anything is opened again.
    pub(crate) fn reopen(&mut self) {
        match self.kind {
            Kind::Memory => {}
            Kind::Store => {
                self.engine.close().expect("an orderly close");
                self.engine = open(self.kind, self.dir.path(), &self.clock);
            }
            Kind::Log => {
                self.engine.wait_durable(self.position).expect("a working disk");
                let crashed = tempfile::tempdir().expect("a directory");
                copy(self.dir.path(), crashed.path());
                self.engine = open(self.kind, crashed.path(), &self.clock);
                self.dir = crashed;
            }
        }
        self.position = Position::NONE;
        for index in 0..self.connections.len() {
            self.reconnect(index);
        }
    }
}

fn open(kind: Kind, dir: &Path, clock: &ManualClock) -> Engine {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let options =
        Options { clock, random_seed: Some(1), part_bytes: PART_BYTES, ..Options::default() };
    let opened = match kind {
        Kind::Memory => {
            let part_bytes = Options::default().part_bytes;
            Engine::in_memory(Options { part_bytes, ..options })
        }
        Kind::Store => {
            let small = Options {
                durability: Durability::EverySec,
                memory_limit: MEMORY_LIMIT,
                checkpoint_log_bytes: CHECKPOINT_LOG_BYTES,
                ..options
            };
            Engine::open(dir, small)
        }
        Kind::Log => {
            let never = Options {
                checkpoint_log_bytes: u64::MAX,
                checkpoint_interval_ms: NEVER_MS,
                ..options
            };
            Engine::open(dir, never)
        }
    };
    opened.expect("the engine opens")
}

/// Copies the files as the end of the process would leave them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}
