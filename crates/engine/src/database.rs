//! [`Database`]: the state behind one lock, and how commands run on it.

mod fetch;
mod pressure;
mod replay;
mod state;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use self::{fetch::Locked, pressure::Pressure, state::Versions};
pub(crate) use self::{
    pressure::Eased,
    replay::ReplayError,
    state::{Flushes, State},
};
use parking_lot::{Mutex, MutexGuard};
use tuckbox_resp::{
    Command, ErrorReply, Reply,
    table::{CommandSpec, Flags},
};

use crate::{
    background::Bells,
    commands::{self, Cold, Context, Runs},
    effects::Effects,
    error::store_reply,
    files::Files,
    log::Position,
    memory::Keyspace,
    options::Options,
    random::Random,
    room::Demand,
    script::Watch,
    store::CHECKPOINT_MEMORY,
};

/// How many logical databases `SELECT` chooses from.
pub(crate) const LOGICAL: usize = 16;

/// Bytes of large values on their way out at which the background is woken.
const TRASH_BYTES: usize = 8 << 20;

/// Beyond twice its limit and so many bytes more, memory takes no more writes.
const OVERFULL_BYTES: usize = 64 << 20;

/// A command with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// What the table says of the command, or of its subcommand.
    pub(crate) spec: &'static CommandSpec,
    /// What runs it.
    pub(crate) handler: Runs,
    /// The command.
    pub(crate) command: Command,
    /// The logical database it runs on.
    pub(crate) db: usize,
}

/// The state of one database: 16 logical ones behind one lock.
#[derive(Debug)]
pub(crate) struct Database {
    id: u32,
    pub(crate) options: Options,
    /// [`Options::memory_limit`] as it is now.
    memory_limit: AtomicUsize,
    /// Memory is so far over its limit that nothing may be added, because
    /// checkpoints do not keep up with the writers.
    overfull: AtomicBool,
    /// Memory is over its limit, and writers are slowed down.
    pressure: Pressure,
    /// Wakes the background.
    pub(crate) bells: Arc<Bells>,
    /// Whether a script runs.
    pub(crate) script: Arc<Watch>,
    /// The log and the store; `None`: nothing is kept.
    pub(crate) files: Option<Arc<Files>>,
    /// Held by whoever runs what the log says of all keys.
    settling: Mutex<()>,
    state: Mutex<State>,
}

impl Database {
    pub(crate) fn new(
        id: u32,
        options: Options,
        mut keyspaces: Vec<Keyspace>,
        next_id: u32,
        seed: u64,
    ) -> Self {
        keyspaces.iter_mut().for_each(|keyspace| keyspace.set_part_bytes(options.part_bytes));
        Self {
            id,
            memory_limit: AtomicUsize::new(options.memory_limit),
            options,
            overfull: AtomicBool::new(false),
            pressure: Pressure::default(),
            bells: Arc::default(),
            script: Arc::default(),
            files: None,
            settling: Mutex::default(),
            state: Mutex::new(State {
                keyspaces,
                flushes: Flushes { next_id, ..Flushes::default() },
                checkpoints: 0,
                pending: None,
                random: Random::new(seed),
                effects: Effects::new(false),
                versions: Versions::default(),
                commands: 0,
                scripts: None,
            }),
        }
    }

    /// Has everything from now on logged, and what is not in memory read.
    pub(crate) fn attach(&mut self, files: Arc<Files>) {
        self.files = Some(files);
        self.state.get_mut().effects = Effects::new(true);
    }

    /// The database's number.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Runs one command; the reply may be released once the log is durable up
    /// to the position.
    pub(crate) fn execute(&self, call: &Call, resp3: bool) -> (Reply, Position) {
        let result = self.run(std::slice::from_ref(call), resp3, |running| running.call(call));
        result.unwrap_or_else(|error| (Reply::Error(error), 0))
    }

    /// Brings the keys of `calls` into memory, then runs `body` under the lock
    /// as one frame of the log.
    ///
    /// # Errors
    /// When writes are refused and one of the calls is a write, or when the
    /// store cannot be read. Nothing has been run then.
    pub(crate) fn run<R>(
        &self,
        calls: &[Call],
        resp3: bool,
        body: impl FnOnce(&mut Running<'_>) -> R,
    ) -> Result<(R, Position), ErrorReply> {
        self.run_watched(calls, &[], resp3, body)
    }

    /// As [`Database::run`], with the keys of `watched` in memory too; those
    /// that have expired are removed before `body` runs.
    ///
    /// # Errors
    /// As [`Database::run`].
    pub(crate) fn run_watched<R>(
        &self,
        calls: &[Call],
        watched: &[(usize, &[u8])],
        resp3: bool,
        body: impl FnOnce(&mut Running<'_>) -> R,
    ) -> Result<(R, Position), ErrorReply> {
        self.admit_writes(calls)?;
        let Locked { mut state, cold, draw } = match &self.files {
            Some(files) => self.lock_with_keys(files, calls, watched)?,
            None => {
                let mut state = self.lock();
                let draw = state.random.next();
                Locked { state, cold: None, draw }
            }
        };
        // Under the lock, so that the log's times never go backwards.
        let now = self.options.clock.now_ms();
        let mut observed = 0;
        for (db, key) in watched {
            let keyspace = &mut state.keyspaces[*db];
            keyspace.get(key, now);
            observed = observed.max(keyspace.observed());
        }
        state.effects.begin(self.id, now);
        let mut running = Running {
            state: &mut state,
            database: Some(self),
            now,
            resp3,
            cold: cold.as_ref(),
            draw,
            observed,
            grown: false,
            alone: calls.len() == 1,
        };
        let result = body(&mut running);
        let Running { observed, grown, .. } = running;
        let position = self.append(&mut state, observed);
        state.commands += 1;
        if grown || cold.is_some() || state.commands.is_multiple_of(64) {
            self.keep_to_the_limits(&mut state);
        }
        Ok((result, position))
    }

    /// Refuses writes that could not be kept.
    fn admit_writes(&self, calls: &[Call]) -> Result<(), ErrorReply> {
        if !calls.iter().any(|call| call.spec.flags.contains(Flags::WRITE)) {
            return Ok(());
        }
        let Some(files) = &self.files else {
            if calls.iter().any(Call::adds) && self.lock().memory() > self.memory_limit() {
                return Err(commands::OUT_OF_MEMORY.into());
            }
            return Ok(());
        };
        if self.overfull.load(Ordering::Relaxed) && calls.iter().any(Call::adds) {
            return Err(commands::OUT_OF_MEMORY.into());
        }
        files.admit_writes()
    }

    /// Whether a command need not wait before it runs: two loads.
    pub(crate) fn has_room(&self, demand: Demand) -> bool {
        let Some(files) = &self.files else { return true };
        (demand < Demand::Log || files.log.has_room())
            && (demand < Demand::Memory || !self.pressure.is_felt())
    }

    /// Bytes of keys and values to hold in memory.
    pub(crate) fn memory_limit(&self) -> usize {
        self.memory_limit.load(Ordering::Relaxed)
    }

    /// Changes the limit; what is over it is dropped by the commands that follow.
    pub(crate) fn set_memory_limit(&self, bytes: usize) {
        self.memory_limit.store(bytes, Ordering::Relaxed);
        self.bells.tidy.ring();
    }

    /// Whether memory takes no more data.
    pub(crate) fn is_full(&self, state: &State) -> bool {
        match &self.files {
            Some(_) => self.overfull.load(Ordering::Relaxed),
            None => state.memory() > self.memory_limit(),
        }
    }

    /// Bytes of keys and values to keep in memory: what is left of the limit
    /// when a checkpoint is written, and a tenth for free memory between
    /// others that the allocator cannot give back.
    pub(crate) fn kept(&self) -> usize {
        let limit = self.memory_limit();
        match &self.files {
            Some(_) => limit - (limit / 8).min(CHECKPOINT_MEMORY) - limit / 10,
            None => limit,
        }
    }

    /// Has writers go on that wait for memory, if they may.
    pub(crate) fn tend_writers(&self) {
        self.note_memory(&self.lock());
        self.pressure.wake();
    }

    /// Notes whether memory takes more writes. It holds what no checkpoint has
    /// saved yet, however much that is, and checkpoints can fail for long.
    fn note_memory(&self, state: &State) {
        let most = self.memory_limit().saturating_mul(2).saturating_add(OVERFULL_BYTES);
        let overfull = state.memory() > most;
        self.overfull.store(overfull, Ordering::Relaxed);
        if self.files.is_some() && self.pressure.note(state.memory(), self.kept()) {
            // They are woken by who holds no lock.
            self.bells.tidy.ring();
        }
    }

    /// Puts the frame into the log; returns the position that has to be
    /// durable before the reply goes out: that of the frame, or that of the
    /// latest change the command has seen.
    fn append(&self, state: &mut State, observed: u64) -> Position {
        let changed = state.effects.count() > 0;
        if changed {
            self.bells.changed();
        }
        let Some(files) = &self.files else { return 0 };
        if changed {
            let position = files.log.append(state.effects.frame());
            if !files.log.has_room() {
                // Nobody may come to look at the limits before it is shorter.
                self.bells.save.ring();
            }
            state.versions.forget(files.log.synced());
            state.versions.latest += 1;
            state.versions.pending.push_back(position);
            return position;
        }
        if observed == 0 {
            return 0;
        }
        state.versions.position(observed, files.log.synced())
    }

    /// Has a checkpoint made when the log has grown, and drops clean keys while
    /// memory is over its limit; the background goes on where a few segments
    /// are not enough.
    fn keep_to_the_limits(&self, state: &mut State) {
        state.keyspaces.iter_mut().for_each(Keyspace::look_at);
        if state.trash() > TRASH_BYTES {
            self.bells.tidy.ring();
        }
        let Some(files) = &self.files else { return };
        if files.log.bytes_since_mark() > self.options.checkpoint_log_bytes {
            self.bells.save.ring();
        }
        if state.memory() > self.kept() {
            self.bells.tidy.ring();
            self.bells.save.ring();
            state.evict(self.kept());
        }
        self.note_memory(state);
    }
}

impl Call {
    /// Whether the command can take more memory.
    fn adds(&self) -> bool {
        self.spec.flags.contains(Flags::DENYOOM)
    }
}

/// Commands running under the lock, as one frame.
pub(crate) struct Running<'a> {
    pub(crate) state: &'a mut State,
    /// For the commands that run others; `None` where they may not.
    pub(crate) database: Option<&'a Database>,
    /// The time of all of them, in Unix milliseconds.
    pub(crate) now: u64,
    pub(crate) resp3: bool,
    pub(crate) cold: Option<&'a Cold>,
    /// The random number that told which parts of values were brought into
    /// memory.
    pub(crate) draw: u64,
    /// The latest version that was seen.
    pub(crate) observed: u64,
    /// Memory has grown so much that its limit has to be looked at.
    pub(crate) grown: bool,
    /// No other command counts on keys that were brought into memory for it.
    pub(crate) alone: bool,
}

impl Running<'_> {
    /// Runs one command.
    pub(crate) fn call(&mut self, call: &Call) -> Reply {
        let handler = match call.handler {
            Runs::Data(handler) => handler,
            Runs::Script(run) => return run(self, call).unwrap_or_else(Reply::Error),
        };
        let state = &mut *self.state;
        if !self.alone
            && let Some(files) = self.database.and_then(|database| database.files.as_ref())
        {
            match state.fetch_parts_locked(&files.records, call, self.draw) {
                Ok(any) => self.grown |= any,
                Err(error) => return Reply::Error(store_reply(&error)),
            }
        }
        // What is not logged has no position that a reply would have to wait for.
        let version = if state.effects.are_logged() { state.versions.latest + 1 } else { 0 };
        state.keyspaces[call.db].begin(version);
        let mut context = Context {
            keyspaces: &mut state.keyspaces,
            flushes: &mut state.flushes,
            db: call.db,
            version,
            other: None,
            now: self.now,
            random: &mut state.random,
            resp3: self.resp3,
            cold: self.cold,
            draw: self.draw,
            effects: &mut state.effects,
        };
        let result = handler(&mut context, &call.command);
        let other = context.other.unwrap_or(call.db);
        if call.spec.flags.contains(Flags::READONLY) {
            state.keyspaces[call.db].count_reads();
        }
        for db in [call.db, other] {
            self.observed = self.observed.max(state.keyspaces[db].observed());
            self.grown |= state.keyspaces[db].has_grown();
        }
        if commands::sees_all_keys(call) {
            let latest = state.keyspaces.iter().map(Keyspace::latest).max();
            self.observed = self.observed.max(latest.unwrap_or(0));
        }
        result.unwrap_or_else(Reply::Error)
    }
}
