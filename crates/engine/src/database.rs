//! [`Database`]: the state behind one lock, and how commands run on it.

mod fetch;
mod pressure;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use self::{fetch::Locked, pressure::Pressure};
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
    files::{Files, Records},
    log::Position,
    memory::{Keyspace, KeyspaceId},
    options::Options,
    random::Random,
    script::{Scripts, Watch},
    store::{CHECKPOINT_MEMORY, StoreError},
};

/// How many logical databases `SELECT` chooses from.
pub(crate) const LOGICAL: usize = 16;

/// Bytes of large values on their way out at which the background is woken.
const TRASH_BYTES: usize = 8 << 20;

/// Beyond twice its limit and so many bytes more, memory takes no more writes.
const OVERFULL_BYTES: usize = 64 << 20;

/// Segments looked at per command while memory is over its limit.
const EVICT_STEP: usize = 4;

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
    state: Mutex<State>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    /// By logical database.
    pub(crate) keyspaces: Vec<Keyspace>,
    /// Identities of keyspaces, and those that were flushed.
    pub(crate) flushes: Flushes,
    /// Counts committed checkpoints: what was read from the store before the
    /// count changed is not to be trusted after.
    pub(crate) checkpoints: u64,
    pub(crate) random: Random,
    pub(crate) effects: Effects,
    versions: Versions,
    commands: u64,
    /// `None` until the first script comes.
    pub(crate) scripts: Option<Box<Scripts>>,
}

/// Which keyspaces were replaced by empty ones.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    /// The identity of the next keyspace to be made.
    pub(crate) next_id: u32,
    /// Keyspaces whose records the store still has.
    pub(crate) flushed: Vec<KeyspaceId>,
    /// Keyspaces to be dropped outside the lock.
    pub(crate) trash: Vec<Keyspace>,
    /// Counts replacements and swaps: what was read from the store before may
    /// be of a keyspace that is elsewhere now.
    pub(crate) count: u64,
    /// A keyspace was replaced or moved since the last checkpoint began.
    pub(crate) changed: bool,
}

/// Which frame of the log made which version of the database.
///
/// Versions count the frames of this database, so the ones that are not known
/// to be durable yet are a gapless queue.
#[derive(Debug, Default)]
struct Versions {
    latest: u64,
    pending: VecDeque<Position>,
}

impl Versions {
    /// Drops what is durable.
    fn forget(&mut self, synced: Position) {
        while self.pending.front().is_some_and(|&position| position <= synced) {
            self.pending.pop_front();
        }
    }

    /// The log position that has to be durable before `version` may be shown.
    fn position(&mut self, version: u64, synced: Position) -> Position {
        self.forget(synced);
        let after = self.latest - self.pending.len() as u64;
        match version.checked_sub(after + 1) {
            Some(index) => self.pending.get(index as usize).copied().unwrap_or_default(),
            None => 0,
        }
    }
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
            options,
            overfull: AtomicBool::new(false),
            pressure: Pressure::default(),
            bells: Arc::default(),
            script: Arc::default(),
            files: None,
            state: Mutex::new(State {
                keyspaces,
                flushes: Flushes { next_id, ..Flushes::default() },
                checkpoints: 0,
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

    /// Replays one effect from the log, at the time it was made. An error reply
    /// means that the store and the log do not belong together.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn replay(
        &self,
        records: &Records,
        call: &Call,
        now: u64,
    ) -> Result<Reply, StoreError> {
        let mut state = self.lock();
        let draw = state.random.next();
        state.fetch_locked(records, call, draw)?;
        state.effects.begin(self.id, now);
        let mut running = Running {
            state: &mut state,
            database: None,
            now,
            resp3: false,
            cold: None,
            draw,
            observed: 0,
            grown: false,
            alone: false,
        };
        Ok(running.call(call))
    }

    /// Refuses writes that could not be kept.
    fn admit_writes(&self, calls: &[Call]) -> Result<(), ErrorReply> {
        if !calls.iter().any(|call| call.spec.flags.contains(Flags::WRITE)) {
            return Ok(());
        }
        let Some(files) = &self.files else {
            if calls.iter().any(Call::adds) && self.lock().memory() > self.options.memory_limit {
                return Err(commands::OUT_OF_MEMORY.into());
            }
            return Ok(());
        };
        if self.overfull.load(Ordering::Relaxed) && calls.iter().any(Call::adds) {
            return Err(commands::OUT_OF_MEMORY.into());
        }
        files.admit_writes()?;
        if self.pressure.is_felt() && calls.iter().any(Call::adds) {
            self.bells.save.ring();
            self.pressure.hold_back();
        }
        Ok(())
    }

    /// Whether memory takes no more data.
    pub(crate) fn is_full(&self, state: &State) -> bool {
        match &self.files {
            Some(_) => self.overfull.load(Ordering::Relaxed),
            None => state.memory() > self.options.memory_limit,
        }
    }

    /// Bytes of keys and values to keep in memory: what is left of the limit
    /// when a checkpoint is written, and a tenth for free memory between
    /// others that the allocator cannot give back.
    pub(crate) fn kept(&self) -> usize {
        let limit = self.options.memory_limit;
        match &self.files {
            Some(_) => limit - (limit / 8).min(CHECKPOINT_MEMORY) - limit / 10,
            None => limit,
        }
    }

    /// Notes whether memory takes more writes. It holds what no checkpoint has
    /// saved yet, however much that is, and checkpoints can fail for long.
    pub(crate) fn note_memory(&self, state: &State) {
        let most = self.options.memory_limit.saturating_mul(2).saturating_add(OVERFULL_BYTES);
        let overfull = state.memory() > most;
        self.overfull.store(overfull, Ordering::Relaxed);
        if self.files.is_some() {
            self.pressure.note(state.memory(), self.kept());
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
        if files.log.bytes_since_trim() > self.options.checkpoint_log_bytes {
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

impl Flushes {
    /// Notes that keyspaces are not where they were.
    pub(crate) fn moved(&mut self) {
        self.count += 1;
        self.changed = true;
    }
}

impl State {
    /// What stands in for the state while it is elsewhere. Takes no memory.
    pub(crate) fn absent() -> Self {
        Self {
            keyspaces: Vec::new(),
            flushes: Flushes::default(),
            checkpoints: 0,
            random: Random::new(0),
            effects: Effects::default(),
            versions: Versions::default(),
            commands: 0,
            scripts: None,
        }
    }

    /// A random number for a command that runs next.
    pub(crate) fn draw(&mut self) -> u64 {
        self.random.next()
    }

    /// Bytes in memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.keyspaces.iter().map(Keyspace::memory).sum()
    }

    /// Drops clean keys from a few segments if memory is over `limit`.
    pub(crate) fn evict(&mut self, limit: usize) {
        if self.memory() > limit {
            for keyspace in self.keyspaces.iter_mut().filter(|keyspace| keyspace.memory() > 0) {
                keyspace.evict(EVICT_STEP);
            }
        }
    }

    /// Bytes of large values that were deleted and not freed yet, roughly.
    fn trash(&self) -> usize {
        self.keyspaces.iter().map(Keyspace::trash).sum()
    }

    /// The keyspaces, and those that were flushed and are not dropped yet.
    pub(crate) fn every_keyspace(&mut self) -> impl Iterator<Item = &mut Keyspace> {
        self.keyspaces.iter_mut().chain(&mut self.flushes.trash)
    }

    /// Whether anything changed since the last checkpoint.
    pub(crate) fn is_changed(&self) -> bool {
        self.flushes.changed || self.keyspaces.iter().any(Keyspace::is_dirty)
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
        let version = state.versions.latest + 1;
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
