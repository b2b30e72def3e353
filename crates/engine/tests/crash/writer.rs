//! Random operations, and which of them were acknowledged.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
};

use tuckbox_engine::{Clock, SystemClock};
use tuckbox_resp::{Command, ErrorReply, Reply, cmd};

use crate::{
    Rng,
    link::Link,
    model::{Found, Item, Model, Name},
};

/// A time that no test lives to see, in Unix milliseconds: the year 2100.
const FAR: u64 = 4_102_444_800_000;

/// Several writes in one: counts, sets, sets the field to the count, deletes.
const SCRIPT: &str = "local n = redis.call('INCR', KEYS[1])
    redis.call('SET', KEYS[2], ARGV[1])
    redis.call('HSET', KEYS[3], ARGV[2], n)
    redis.call('DEL', KEYS[4])
    return n";

/// Keys of one writer that expire while the test runs.
const EXPIRING: u64 = 20;

/// One write, or one transaction, with reads behind it.
#[derive(Clone)]
struct Operation {
    commands: Vec<Command>,
    sent_at: u64,
}

/// The only one that writes the keys it owns.
pub(crate) struct Writer {
    number: usize,
    rng: Rng,
    clock: SystemClock,
    /// After the last acknowledged operation.
    model: Model,
    /// Sent and not acknowledged, in order.
    pending: VecDeque<Operation>,
    pub(crate) acknowledged: u64,
    /// What was sent in each life of the child; empty unless it is wanted.
    pub(crate) lives: Option<Vec<Life>>,
}

/// What one writer sent to one child.
pub(crate) struct Life {
    /// Before the first operation.
    base: Model,
    operations: Vec<Operation>,
}

impl Life {
    /// Whether what is here is what the answered operations made, and some of
    /// those behind them; the differences if it is not.
    fn explains(
        &self,
        answered: usize,
        here: &BTreeMap<Name, &Item>,
        now: u64,
    ) -> Result<(), Vec<String>> {
        let mut candidate = self.base.clone();
        let mut sent = 0;
        let mut wrong = Vec::new();
        for operation in self.operations.iter().map(Some).chain([None]) {
            let end = operation.map_or(usize::MAX, |next| sent + next.commands.len());
            if end > answered {
                match candidate.difference(here, now) {
                    None => return Ok(()),
                    Some(difference) => wrong.push(difference),
                }
            }
            if let Some(operation) = operation.filter(|_| wrong.len() <= IN_FLIGHT_MAX) {
                candidate.run(&operation.commands, operation.sent_at);
                sent = end;
            } else {
                break;
            }
        }
        Err(wrong)
    }
}

/// Operations that a writer sends ahead of their replies, at the most.
const IN_FLIGHT_MAX: usize = 4;

/// Whether an error says that a write is not known to be durable, or was not
/// done. That of a transaction quotes the reason.
pub(crate) fn is_refusal(error: &ErrorReply) -> bool {
    error.code() == "NOTDURABLE" || error.text().contains("MISCONF")
}

/// The writer that flushes and swaps logical databases of its own.
pub(crate) const SWAPPER: usize = 3;

impl Writer {
    pub(crate) fn new(number: usize, seed: u64) -> Self {
        Self {
            number,
            rng: Rng(seed),
            clock: SystemClock::default(),
            model: Model::default(),
            pending: VecDeque::new(),
            acknowledged: 0,
            lives: None,
        }
    }

    /// Has it remember everything it sends.
    pub(crate) fn remembering(self) -> Self {
        Self { lives: Some(Vec::new()), ..self }
    }

    /// The key that counts the writer's transactions, in logical database 0.
    pub(crate) fn counter(number: usize) -> String {
        format!("w{number}:count")
    }

    fn owns(&self, name: &Name) -> bool {
        if name.0 == 0 {
            name.1.starts_with(&format!("w{}:", self.number))
        } else {
            self.number == SWAPPER
        }
    }

    /// All keys that may have expired. Replaying the log brings back those that
    /// were removed because of it, and they count until they are removed again.
    pub(crate) fn expiring(&self) -> impl Iterator<Item = Name> {
        (0..EXPIRING).map(|n| (0, format!("w{}:x:{n}", self.number)))
    }

    /// Writes until the child dies, or until all is acknowledged after `stop`.
    pub(crate) fn run(&mut self, mut link: Link, stop: &AtomicBool) {
        if let Some(lives) = &mut self.lives {
            let begins = cmd!("TEST.WRITER", self.number, lives.len());
            lives.push(Life { base: self.model.clone(), operations: Vec::new() });
            if link.ask(&[begins]).is_none() {
                return;
            }
        }
        loop {
            let window = 1 + self.rng.below(IN_FLIGHT_MAX as u64) as usize;
            let stopping = stop.load(Ordering::Relaxed);
            let mut batch = Vec::new();
            while !stopping && self.pending.len() < window {
                let commands = self.operation();
                batch.extend_from_slice(&commands);
                let operation = Operation { commands, sent_at: self.clock.now_ms() };
                if let Some(life) = self.lives.as_mut().and_then(|lives| lives.last_mut()) {
                    life.operations.push(operation.clone());
                }
                self.pending.push_back(operation);
            }
            if link.send(&batch).is_err() {
                return;
            }
            let Some(operation) = self.pending.front().cloned() else { return };
            let mut replies = Vec::with_capacity(operation.commands.len());
            for _ in &operation.commands {
                match link.receive() {
                    // A disk that failed: this and what follows was not acknowledged.
                    Some(Reply::Error(error)) if is_refusal(&error) => return,
                    Some(reply) => replies.push(reply),
                    None => return,
                }
            }
            self.acknowledge(&operation, &replies);
            self.pending.pop_front();
        }
    }

    fn acknowledge(&mut self, operation: &Operation, replies: &[Reply]) {
        let expected = self.model.run(&operation.commands, operation.sent_at);
        for ((expected, reply), command) in expected.iter().zip(replies).zip(&operation.commands) {
            let fits = match expected {
                Some(expected) => expected == reply,
                None => !matches!(reply, Reply::Error(_)),
            };
            let number = self.number;
            assert!(fits, "writer {number}: {command:?} got {reply:?}, not {expected:?}");
            if let (b"PEXPIRETIME", Reply::Integer(at)) = (command.name(), reply) {
                self.model.learn_expiry(&String::from_utf8_lossy(&command[1]), *at);
            }
        }
        self.acknowledged += 1;
    }

    /// Compares with what was found after a crash: every acknowledged operation
    /// is there, and of those in doubt the first ones, each wholly or not at
    /// all. Goes on from there; returns how many of those in doubt were done.
    pub(crate) fn check(&mut self, found: &Found) -> Result<usize, String> {
        let here = found.of(|name| self.owns(name));
        let mut candidate = self.model.clone();
        let mut wrong = Vec::new();
        for done in 0..=self.pending.len() {
            match candidate.difference(&here, found.now) {
                None => {
                    candidate.settle(&here);
                    self.model = candidate;
                    self.pending.clear();
                    return Ok(done);
                }
                Some(difference) => wrong.push(difference),
            }
            if let Some(next) = self.pending.get(done) {
                candidate.run(&next.commands, next.sent_at);
            }
        }
        Err(format!("writer {}, with 0, 1 ... of those in doubt: {wrong:#?}", self.number))
    }

    /// Compares with what a power cut left at a moment of life `life`, when so
    /// many of the writer's `commands` had been answered.
    pub(crate) fn check_at(&self, found: &Found, life: u64, commands: u64) -> Result<(), String> {
        let here = found.of(|name| self.owns(name));
        let Some(life) = self.lives.as_ref().and_then(|lives| lives.get(life as usize)) else {
            return Ok(());
        };
        let number = self.number;
        life.explains(commands as usize, &here, found.now).map_err(|wrong| {
            format!("writer {number}, with 0, 1 ... more than was answered: {wrong:#?}")
        })
    }

    fn key(&mut self, kind: &str, count: u64) -> String {
        format!("w{}:{kind}:{}", self.number, self.rng.below(count))
    }

    fn value(&mut self) -> Vec<u8> {
        let len = match self.rng.below(200) {
            0 => 100_000 + self.rng.below(200_000),
            1..=9 => 4_000 + self.rng.below(16_000),
            _ => self.rng.below(200),
        };
        let start = self.rng.next();
        (0..len).map(|n| (start.wrapping_add(n * n) >> 3) as u8).collect()
    }

    /// The next operation: exactly one write, or one transaction.
    fn operation(&mut self) -> Vec<Command> {
        if self.number == SWAPPER && self.rng.below(4) > 0 {
            return self.operation_on_databases();
        }
        let mut commands = vec![cmd!("SELECT", 0)];
        match self.rng.below(13) {
            0 | 1 => commands.extend(self.transaction()),
            2 => {
                // The time that counts is the engine's: it is asked for.
                let key = self.key("x", EXPIRING);
                let ms = self.rng.pick(&[5, 20, 100, 500, 5_000]);
                commands.push(cmd!("SET", &key, self.value(), "PX", ms));
                commands.push(cmd!("PEXPIRETIME", &key));
            }
            3 => {
                let key = self.key("s", 60);
                commands.push(cmd!("PEXPIRE", &key, FAR / 1000 + self.rng.below(1000)));
                commands.push(cmd!("PEXPIRETIME", &key));
            }
            4 => commands.push(cmd!("DEL", self.key("x", EXPIRING), self.key("s", 60))),
            5 => {
                let (one, hash) = (self.key("s", 60), self.key("h", 12));
                let (counter, gone) = (Self::counter(self.number), self.key("a", 5));
                let field = format!("f{}", self.rng.below(30));
                let value = self.value();
                commands.push(cmd!("EVAL", SCRIPT, 4, counter, one, hash, gone, value, field));
            }
            _ => commands.push(self.write()),
        }
        commands
    }

    /// One command on keys that do not expire soon.
    fn write(&mut self) -> Command {
        let (one, two) = (self.key("s", 60), self.key("s", 60));
        let hash = self.key("h", 12);
        let field = format!("f{}", self.rng.below(30));
        let at = FAR + self.rng.below(1_000_000);
        match self.rng.below(24) {
            0..=2 => cmd!("SET", one, self.value()),
            3 => cmd!("SET", one, self.value(), "PXAT", at),
            4 => cmd!("GETEX", one, "PXAT", at),
            5 => cmd!("GETEX", one, "PERSIST"),
            6 => cmd!("INCR", self.key("n", 20)),
            7 | 8 => cmd!("APPEND", self.key("a", 5), self.rng.below(100_000)),
            9 => cmd!("SETRANGE", self.key("r", 5), self.rng.below(300), self.value()),
            10 | 11 => cmd!("HSET", hash, &field, self.value(), "also", self.rng.below(1000)),
            12 => cmd!("HDEL", hash, field, "also", "never"),
            13 => cmd!("HINCRBY", self.key("i", 4), field, self.rng.below(9)),
            14 => cmd!("PEXPIREAT", one, at),
            15 => cmd!("PERSIST", one),
            16 if one != two => cmd!("RENAME", one, two),
            17 => cmd!("GETDEL", one),
            18 => cmd!("UNLINK", one, two, self.key("a", 5), hash),
            19..=22 => self.write_to_a_large_hash(),
            _ => cmd!("MSET", one, self.value(), two, self.value()),
        }
    }

    /// One command on hashes of up to 2,400 fields.
    fn write_to_a_large_hash(&mut self) -> Command {
        let hash = self.key("b", 2);
        let field = format!("f{}", self.rng.below(2400));
        match self.rng.below(16) {
            0 => {
                let from = self.rng.below(1200);
                let mut command = Command::new("HSET");
                command.push(hash);
                for field in from..from + 1200 {
                    command.push(format!("f{field}"));
                    command.push(self.rng.below(1000).to_string());
                }
                command.build()
            }
            1 => cmd!("RENAME", hash, self.key("b", 2)),
            2 => cmd!("UNLINK", hash),
            3..=5 => cmd!("HDEL", hash, field, format!("f{}", self.rng.below(2400))),
            6..=8 => cmd!("HSET", hash, field, self.rng.below(1000)),
            _ => cmd!("HINCRBY", hash, field, self.rng.below(9)),
        }
    }

    fn transaction(&mut self) -> Vec<Command> {
        let mut commands = vec![cmd!("MULTI"), cmd!("INCR", Self::counter(self.number))];
        for _ in 0..1 + self.rng.below(6) {
            commands.push(self.write());
        }
        commands.push(cmd!("EXEC"));
        commands
    }

    /// On logical databases that no other writer uses.
    fn operation_on_databases(&mut self) -> Vec<Command> {
        let databases = [5, 6, 7];
        let db = self.rng.pick(&databases);
        let other = self.rng.pick(&databases.map(|other| if other == db { 15 } else { other }));
        let mut commands = vec![cmd!("SELECT", db)];
        let counter = Self::counter(self.number);
        match self.rng.below(40) {
            0 => commands.push(cmd!("FLUSHDB")),
            1 => commands.push(cmd!("SWAPDB", db, other)),
            // Two swaps in one: what the others own is never seen elsewhere.
            2 => commands.extend([
                cmd!("MULTI"),
                cmd!("SWAPDB", 0, other),
                cmd!("SELECT", other),
                cmd!("INCR", counter),
                cmd!("SWAPDB", other, 0),
                cmd!("EXEC"),
            ]),
            3 => commands.extend([
                cmd!("MULTI"),
                cmd!("FLUSHDB"),
                self.write(),
                cmd!("SELECT", other),
                self.write(),
                cmd!("SWAPDB", db, other),
                self.write(),
                cmd!("EXEC"),
            ]),
            4..=6 => commands.push(cmd!("MOVE", self.key("s", 60), other)),
            7..=9 => {
                let (from, to) = (self.key("s", 60), self.key("s", 60));
                commands.push(cmd!("COPY", from, to, "DB", other, "REPLACE"));
            }
            _ => commands.push(self.write()),
        }
        commands
    }
}
