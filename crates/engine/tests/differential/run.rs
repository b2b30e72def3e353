//! Runs steps on all sides.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tuckbox_resp::{Command, Reply, cmd};
use tuckbox_test_redis::{Answer, Connection, RedisServer};

use crate::{
    compare::{Situation, compare, elements, name_of, pairs},
    keyspace,
    ours::{Kind, Ours, wall_clock},
    step::{Step, command},
};

/// Connections to each side.
pub(crate) const CONNECTIONS: usize = 3;

/// What went wrong, and at which step.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The step; the number of steps when it was the keyspace at the end.
    pub(crate) step: usize,
    pub(crate) text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// By command, how many replies were errors and how many were not.
pub(crate) type Tally = BTreeMap<&'static str, [usize; 2]>;

/// Runs the steps on an emptied server and fresh engines, and compares every
/// reply and the keyspaces that are left.
///
/// # Errors
/// The first difference, or what the engine panicked with.
pub(crate) fn run(server: &RedisServer, steps: &[Step], tally: &mut Tally) -> Result<(), Failure> {
    let at = Cell::new(0);
    let all = || {
        let mut sides = Sides::new(server);
        for (index, step) in steps.iter().enumerate() {
            at.set(index);
            sides.step(step)?;
        }
        at.set(steps.len());
        sides.finish()?;
        Ok(sides.tally)
    };
    let text = match catch_unwind(AssertUnwindSafe(all)) {
        Ok(Ok(seen)) => {
            for (command, [errors, others]) in seen {
                let total = tally.entry(command).or_default();
                *total = [total[0] + errors, total[1] + others];
            }
            return Ok(());
        }
        Ok(Err(text)) => text,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
            format!("panicked: {}", text.unwrap_or_default())
        }
    };
    Err(Failure { step: at.get(), text })
}

/// The server and the engines, each with the same connections.
pub(crate) struct Sides<'a> {
    server: &'a RedisServer,
    pub(crate) theirs: Vec<Connection>,
    pub(crate) ours: [Ours; 3],
    /// By connection: what an open transaction has queued.
    queues: Vec<Option<Vec<Command>>>,
    /// The longest that a reply of the server took: how far apart the two
    /// sides' clocks may be.
    slowest_ms: u64,
    /// By connection: whether a logical database was emptied or swapped since
    /// it may have watched something.
    swept: Vec<bool>,
    tally: Tally,
}

impl<'a> Sides<'a> {
    pub(crate) fn new(server: &'a RedisServer) -> Self {
        let mut theirs: Vec<_> = (0..CONNECTIONS).map(|_| server.connect()).collect();
        theirs[0].call(&cmd!("FLUSHALL"));
        Self {
            server,
            theirs,
            ours: [Kind::Memory, Kind::Store, Kind::Log].map(|kind| Ours::start(kind, CONNECTIONS)),
            queues: vec![None; CONNECTIONS],
            slowest_ms: 0,
            swept: vec![false; CONNECTIONS],
            tally: Tally::new(),
        }
    }

    pub(crate) fn tolerance_ms(&self) -> u64 {
        2 * self.slowest_ms + 2
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Run { connection, command } => self.run(*connection, command).map(|_| ()),
            Step::Walk { connection, head, options } => self.walk(*connection, head, options),
            Step::Transfer { connection, giver, from, to, options } => {
                self.transfer(*connection, *giver, from, to, options)
            }
            Step::Checkpoint => {
                self.ours.iter().for_each(Ours::checkpoint);
                Ok(())
            }
            Step::Reopen => {
                self.reopen();
                Ok(())
            }
        }
    }

    /// Opens the engines again and compares the keyspaces.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            // The second time with nothing in memory.
            self.reopen();
            keyspace::compare(self)?;
        }
        Ok(())
    }

    fn reopen(&mut self) {
        for (connection, queue) in self.theirs.iter_mut().zip(&mut self.queues) {
            *connection = self.server.connect();
            *queue = None;
        }
        self.ours.iter_mut().for_each(Ours::reopen);
    }

    /// Runs a command on all sides; answers what the server said.
    ///
    /// # Errors
    /// When one of ours differs.
    pub(crate) fn run(&mut self, connection: usize, command: &Command) -> Result<Reply, String> {
        let name = name_of(command);
        if name == "dbsize" && self.queues[connection].is_none() {
            self.sweep(connection);
        }
        let (theirs, now) = self.ask(connection, command);
        self.count(name, &theirs.reply);
        let queue = self.queues[connection].take();
        for index in 0..self.ours.len() {
            let mut ours = self.ours[index].call(connection, command, now);
            if name == "exec" && self.may_abort(connection, index) && was_aborted(&theirs, &ours) {
                ours = self.again(connection, index, queue.as_deref().unwrap_or_default(), now);
            }
            let situation = Situation {
                queued: queue.as_deref().unwrap_or_default(),
                tolerance_ms: self.tolerance_ms(),
                has_files: self.ours[index].kind != Kind::Memory,
            };
            let side = self.ours[index].kind;
            compare(command, &theirs, &ours, situation)
                .and_then(|()| match queue {
                    None => self.look_up(connection, command, &ours),
                    Some(_) => Ok(()),
                })
                .map_err(|difference| format!("The engine with {side:?} differs.\n{difference}"))?;
        }
        self.queues[connection] = queue;
        self.follow(connection, name, command, &theirs.reply);
        Ok(theirs.reply)
    }

    /// What the server answers, and a time at about which it did.
    fn ask(&mut self, connection: usize, command: &Command) -> (Answer, u64) {
        let before = wall_clock();
        let answer = self.theirs[connection].answer(command);
        let after = wall_clock();
        self.slowest_ms = self.slowest_ms.max(after - before);
        (answer, after)
    }

    /// Whether an engine may abort a transaction for nothing. One with files
    /// does not know of every watched key whether a keyspace that went had it.
    fn may_abort(&self, connection: usize, index: usize) -> bool {
        self.swept[connection] && self.ours[index].kind != Kind::Memory
    }

    /// Runs a transaction that was aborted once more.
    fn again(&mut self, connection: usize, index: usize, queue: &[Command], now: u64) -> Answer {
        let ours = &mut self.ours[index];
        ours.call(connection, &cmd!("MULTI"), now);
        for command in queue {
            ours.call(connection, command, now);
        }
        ours.call(connection, &cmd!("EXEC"), now)
    }

    /// Has all sides forget what has expired.
    fn sweep(&mut self, connection: usize) {
        let keys = cmd!("KEYS", "*");
        let (_, now) = self.ask(connection, &keys);
        for ours in &mut self.ours {
            ours.call(connection, &keys, now);
        }
    }

    /// Keeps track of transactions, and of connections that end.
    fn follow(&mut self, connection: usize, name: &'static str, command: &Command, reply: &Reply) {
        let queue = &mut self.queues[connection];
        let queued = queue.iter().flatten().map(name_of);
        let ends = matches!(name, "exec" | "discard" | "unwatch" | "reset" | "quit");
        if queued.chain([name]).any(|name| matches!(name, "flushall" | "flushdb" | "swapdb")) {
            self.swept.fill(true);
        } else if ends && *reply != Reply::QUEUED {
            self.swept[connection] = false;
        }
        match name {
            "multi" if *reply == Reply::OK => *queue = Some(Vec::new()),
            "discard" | "reset" if !matches!(reply, Reply::Error(_)) => *queue = None,
            // A refused EXEC ends the transaction as well.
            "exec" => *queue = None,
            "quit" => {
                *queue = None;
                self.theirs[connection] = self.server.connect();
                self.ours.iter_mut().for_each(|ours| ours.reconnect(connection));
            }
            _ => {
                if let Some(queue) = queue
                    && *reply == Reply::QUEUED
                {
                    queue.push(command.clone());
                }
            }
        }
    }

    /// Looks up what random choices named.
    fn look_up(
        &mut self,
        connection: usize,
        command: &Command,
        ours: &Answer,
    ) -> Result<(), String> {
        let server = &mut self.theirs[connection];
        match name_of(command) {
            "randomkey" => {
                let Reply::Bulk(key) = &ours.reply else { return Ok(()) };
                match server.call(&cmd!("EXISTS", &key[..])) {
                    Reply::Integer(1) => Ok(()),
                    _ => Err(format!("{:?} is no key", key)),
                }
            }
            "hrandfield" => {
                let Reply::Array(fields) = flat_once(&ours.reply) else { return Ok(()) };
                let step = if command.len() > 3 { 2 } else { 1 };
                for field in fields.iter().step_by(step) {
                    let Reply::Bulk(field) = field else { return Err(format!("{field:?}")) };
                    let found = cmd!("HEXISTS", &command[1], &field[..]);
                    if server.call(&found) != Reply::Integer(1) {
                        return Err(format!("{field:?} is no field"));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Goes through a whole `SCAN` or `HSCAN` on all sides.
    fn walk(
        &mut self,
        connection: usize,
        head: &[Vec<u8>],
        options: &[Vec<u8>],
    ) -> Result<(), String> {
        if self.queues[connection].is_some() {
            return Ok(());
        }
        let now = wall_clock();
        let server = &mut self.theirs[connection];
        let theirs = walked(head, options, |command| server.call(command));
        for ours in &mut self.ours {
            let found = walked(head, options, |command| ours.call(connection, command, now).reply);
            if found != theirs {
                return Err(format!("Redis:   {theirs:?}\nTuckbox: {found:?}"));
            }
        }
        Ok(())
    }

    /// The server restores what one of ours dumps, and ours what it dumps.
    fn transfer(
        &mut self,
        connection: usize,
        giver: usize,
        from: &[u8],
        to: &[u8],
        options: &[Vec<u8>],
    ) -> Result<(), String> {
        if self.queues[connection].is_some() {
            return Ok(());
        }
        let dump = cmd!("DUMP", from);
        let (theirs, now) = self.ask(connection, &dump);
        let ours = self.ours[giver].call(connection, &dump, now);
        let (theirs, ours) = match (theirs.reply, ours.reply) {
            (Reply::Bulk(theirs), Reply::Bulk(ours)) => (theirs, ours),
            (Reply::Null, Reply::Null) => return Ok(()),
            (theirs, ours) => return Err(format!("Redis:   {theirs:?}\nTuckbox: {ours:?}")),
        };
        let restore = |payload: &[u8]| {
            let (ttl, rest) = options.split_first().expect("a time to live");
            let words = [b"RESTORE", to, ttl, payload];
            command(&words.into_iter().chain(rest.iter().map(Vec::as_slice)).collect::<Vec<_>>())
        };
        let (given, now) = self.ask(connection, &restore(&ours));
        self.count("restore", &given.reply);
        // The rest of the run sees whether the values are the same.
        for ours in &mut self.ours {
            let taken = ours.call(connection, &restore(&theirs), now);
            if taken.bytes != given.bytes {
                return Err(format!("Redis:   {given:?}\nTuckbox: {taken:?}"));
            }
        }
        Ok(())
    }

    fn count(&mut self, name: &'static str, reply: &Reply) {
        if *reply != Reply::QUEUED {
            let is_error = matches!(reply, Reply::Error(_));
            self.tally.entry(name).or_default()[usize::from(!is_error)] += 1;
        }
    }
}

fn was_aborted(theirs: &Answer, ours: &Answer) -> bool {
    matches!(theirs.reply, Reply::Array(_)) && matches!(ours.reply, Reply::Null | Reply::NullArray)
}

/// The elements of an array, those of arrays in it one by one.
fn flat_once(reply: &Reply) -> Reply {
    let Reply::Array(items) = reply else { return reply.clone() };
    let inner = |item: &Reply| match item {
        Reply::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    Reply::Array(items.iter().flat_map(inner).collect())
}

/// What a whole walk finds, in an order of its own; an error as it is.
fn walked(
    head: &[Vec<u8>],
    options: &[Vec<u8>],
    mut call: impl FnMut(&Command) -> Reply,
) -> Result<Vec<Vec<u8>>, Reply> {
    let mut cursor = b"0".to_vec();
    let mut found = Vec::new();
    loop {
        let words: Vec<&Vec<u8>> =
            head.iter().chain(std::iter::once(&cursor)).chain(options).collect();
        let reply = call(&command(&words));
        let Reply::Array(page) = &reply else { return Err(reply) };
        let [Reply::Bulk(next), items] = &page[..] else { return Err(reply) };
        if head[0].eq_ignore_ascii_case(b"HSCAN") {
            let page = pairs(items).expect("fields and values");
            found.extend(page.into_iter().map(|(field, value)| [field, value].concat()));
        } else {
            found.extend(elements(items).expect("keys"));
        }
        if &next[..] == b"0" {
            found.sort();
            found.dedup();
            return Ok(found);
        }
        cursor = next.to_vec();
    }
}
