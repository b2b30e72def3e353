//! A database in memory for the tests of commands.

use std::sync::Arc;

use tuckbox_resp::{Command, Reply, table};

use crate::{
    Clock, ManualClock, Options, commands,
    database::{Call, Database, LOGICAL},
    effects::{Effects, Frame},
    memory::{Keyspace, KeyspaceId},
};

/// One client's view of a database in memory, at a time that stands still.
pub(crate) struct Session {
    pub(crate) clock: ManualClock,
    database: Database,
    db: usize,
    resp3: bool,
    /// What the log would hold: a frame for every command that did something.
    log: Vec<Frame>,
    /// How many frames [`Session::effects`] has shown.
    shown: usize,
}

/// Logical database, key, stored form of the value, expiry.
pub(crate) type StoredKey = (usize, Vec<u8>, Vec<u8>, u64);

impl Session {
    /// An empty database at Unix time 1,000,000 seconds.
    pub(crate) fn new() -> Self {
        Self::with_options(|_| {})
    }

    /// As [`Session::new`], with other options.
    pub(crate) fn with_options(change: impl FnOnce(&mut Options)) -> Self {
        let clock = ManualClock::at(1_000_000_000);
        let mut options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        change(&mut options);
        let keyspaces =
            (0..LOGICAL as u32).map(|id| Keyspace::new(KeyspaceId(id), [7; 16])).collect();
        let database = Database::new(0, options, keyspaces, LOGICAL as u32, 7);
        database.lock().effects = Effects::new(true);
        Self { clock, database, db: 0, resp3: true, log: Vec::new(), shown: 0 }
    }

    /// Runs a command, as a client that speaks RESP3.
    pub(crate) fn call(&mut self, command: Command) -> Reply {
        let spec = table::lookup(command.name()).expect("a known command");
        let spec_used = spec.resolve(&command).expect("a known subcommand");
        assert!(spec_used.arity_ok(command.len()), "{command:?}");
        let handler = commands::handler(spec).expect("a command with a handler");
        let call = Call { spec: spec_used, handler, command, db: self.db };
        let reply = self.database.execute(&call, self.resp3).0;
        let state = self.database.lock();
        if state.effects.count() > 0 {
            self.log.push(Frame::decode(state.effects.frame()).expect("a whole frame"));
        }
        drop(state);
        reply
    }

    /// The effects of all commands since the last time, as text.
    pub(crate) fn effects(&mut self) -> Vec<String> {
        let text = |command: &Command| {
            let words: Vec<_> = command.iter().map(String::from_utf8_lossy).collect();
            words.join(" ")
        };
        let frames = &self.log[self.shown..];
        self.shown = self.log.len();
        frames.iter().flat_map(|frame| &frame.effects).map(|(_, command)| text(command)).collect()
    }

    /// Every live key.
    pub(crate) fn contents(&self) -> Vec<StoredKey> {
        let now = self.clock.now_ms();
        let mut state = self.database.lock();
        let mut found = Vec::new();
        for (db, keyspace) in state.keyspaces.iter_mut().enumerate() {
            let (listed, _) = keyspace.list(0, usize::MAX, now);
            let keys: Vec<Vec<u8>> = listed.iter().map(|listed| listed.key.to_vec()).collect();
            for key in keys {
                if let Some(slot) = keyspace.slot(&key, now) {
                    let mut stored = Vec::new();
                    slot.value().encode(&mut stored);
                    found.push((db, key, stored, slot.expire_at()));
                }
            }
        }
        found.sort();
        found
    }

    /// A database to which only the effects of this one's commands were done,
    /// each at its time.
    pub(crate) fn replayed(&self) -> Self {
        let mut copy = Self::new();
        for frame in &self.log {
            copy.clock.advance(frame.now - copy.clock.now_ms());
            for (db, command) in &frame.effects {
                copy.select(*db);
                let reply = copy.call(command.clone());
                assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
            }
        }
        copy.clock.advance(self.clock.now_ms() - copy.clock.now_ms());
        copy
    }

    /// Runs the words of `line` as a command.
    pub(crate) fn run(&mut self, line: &str) -> Reply {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        words.for_each(|word| command.push(word));
        self.call(command.build())
    }

    /// Runs the words of `line` and gives the error's text.
    pub(crate) fn error(&mut self, line: &str) -> String {
        match self.run(line) {
            Reply::Error(error) => error.text().to_owned(),
            other => panic!("{line}: {other:?}"),
        }
    }

    /// Goes to another logical database.
    pub(crate) fn select(&mut self, db: usize) {
        self.db = db;
    }
}
