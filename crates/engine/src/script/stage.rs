//! [`Stage`]: what a running script acts on.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tuckbox_resp::{Command, ErrorReply, Reply};

use super::{dice::Dice, watch::Watch};
use crate::{
    commands,
    database::{Database, Running, State},
    error::store_reply,
    files::Files,
    memory::Keyspace,
};

/// Where the functions that scripts call find what they act on. Empty while no
/// script runs.
#[derive(Debug, Default)]
pub(super) struct Stage(Mutex<Option<Acting>>);

/// What a script may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The logical database that was selected when it came.
    pub(super) db: usize,
    /// It may not write.
    pub(super) read_only: bool,
    /// It may add data when there is no memory left.
    pub(super) allow_oom: bool,
}

/// All that a running script acts on, the database's whole state included.
#[derive(Debug)]
pub(super) struct Acting {
    pub(super) state: State,
    pub(super) terms: Terms,
    /// The logical database that the script selected.
    pub(super) db: usize,
    /// The dialect in which the script wants replies.
    pub(super) resp3: bool,
    pub(super) now: u64,
    pub(super) observed: u64,
    /// The command that runs has brought keys into memory.
    pub(super) grown: bool,
    /// One of the commands has.
    pub(super) has_grown: bool,
    pub(super) files: Option<Arc<Files>>,
    /// Memory takes no more data.
    pub(super) full: bool,
    /// Bytes of keys and values to keep in memory; `None` while other commands
    /// count on keys that are there.
    memory_limit: Option<usize>,
    /// The script's randomness; each run has its own.
    pub(super) dice: Dice,
    /// What `cjson` was told.
    pub(super) json: super::json::Settings,
    /// Bytes that what the script hands over may take.
    pub(super) memory: usize,
    /// Effects that the frame had before.
    effects: usize,
    /// Commands called.
    calls: u32,
    /// The script's command, of which the words from number 3 on are keys, so
    /// many, and arguments.
    pub(super) words: Command,
    pub(super) keys: usize,
    /// What was answered last, to the script or by it.
    pub(super) reply: Option<Reply>,
    /// What a command panicked with.
    pub(super) panic: Option<Box<dyn Any + Send>>,
    /// `None`: so far away that it cannot be told.
    deadline: Option<Instant>,
    pub(super) watch: Arc<Watch>,
    /// Why the script was ended.
    pub(super) ended: Option<&'static str>,
    /// The error that the script ended with.
    pub(super) failure: Option<String>,
}

/// After so many commands the time is looked at.
const CALLS_PER_LOOK: u32 = 16;

/// Bytes that one frame of the log has before a script may write no more; it is
/// in memory as a whole, and the log takes at most 4 GiB.
const FRAME_BYTES: usize = if cfg!(test) { 4 << 20 } else { 256 << 20 };

const WROTE_TOO_MUCH: &str = "ERR the script wrote more than fits into one entry of the log; what \
     it wrote before stays";

const TOO_LONG: &str = "ERR the script ran for too long and was ended; what it wrote stays";
const KILLED: &str = "ERR Script killed by user with SCRIPT KILL.";

impl Stage {
    /// Takes the state of `running` onto the stage, until the visit ends.
    pub(super) fn enter<'a, 'b>(
        &'a self,
        running: &'a mut Running<'b>,
        database: &Database,
        terms: Terms,
        words: &Command,
        keys: usize,
    ) -> Visit<'a, 'b> {
        let effects = running.state.effects.count();
        let full = database.is_full(running.state);
        let dice = Dice::seeded(running.state.random.next() as i32);
        let acting = Acting {
            state: std::mem::replace(running.state, State::absent()),
            terms,
            db: terms.db,
            resp3: false,
            now: running.now,
            observed: 0,
            grown: false,
            has_grown: false,
            files: database.files.clone(),
            full,
            memory_limit: running.alone.then(|| database.kept()),
            dice,
            json: super::json::Settings::default(),
            memory: database.options.script_memory,
            effects,
            calls: 0,
            words: words.clone(),
            keys,
            reply: None,
            panic: None,
            deadline: Instant::now()
                .checked_add(Duration::from_millis(database.options.script_time_ms)),
            watch: Arc::clone(&database.script),
            ended: None,
            failure: None,
        };
        database.script.begin();
        *self.0.lock() = Some(acting);
        Visit { stage: self, running }
    }

    /// As [`Stage::lock`], for those who know that nobody holds it.
    pub(super) fn unlocked(&self) -> *mut Option<Acting> {
        self.0.data_ptr()
    }

    /// What the running script acts on; `None` between two scripts.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Acting>> {
        self.0.lock()
    }
}

/// A script's time on the stage. At its end, however it comes, the state is
/// where it was.
pub(super) struct Visit<'a, 'b> {
    stage: &'a Stage,
    running: &'a mut Running<'b>,
}

impl Drop for Visit<'_, '_> {
    fn drop(&mut self) {
        if let Some(acting) = self.stage.0.lock().take() {
            acting.watch.end();
            *self.running.state = acting.state;
            self.running.observed = self.running.observed.max(acting.observed);
            self.running.grown |= acting.has_grown;
        }
    }
}

/// What a script left on the stage.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What it answered.
    pub(super) reply: Option<Reply>,
    /// What it was ended by, or the error that it ended with.
    pub(super) failure: Option<String>,
    /// What a command panicked with.
    pub(super) panic: Option<Box<dyn Any + Send>>,
}

impl Acting {
    /// What is left when the script has ended.
    pub(super) fn take_outcome(&mut self) -> Outcome {
        let ended = self.ended.map(str::to_owned);
        Outcome {
            reply: self.reply.take(),
            failure: ended.or_else(|| self.failure.take()),
            panic: self.panic.take(),
        }
    }

    /// Why the script has to end, if it has.
    pub(super) fn must_end(&mut self) -> Option<&'static str> {
        if self.ended.is_none() {
            if self.watch.is_killed() {
                self.ended = Some(KILLED);
            } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.ended = Some(TOO_LONG);
            }
        }
        self.ended
    }

    /// As [`Acting::must_end`], at a command: the time is looked at now and
    /// then.
    pub(super) fn must_end_calling(&mut self) -> Option<&'static str> {
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(CALLS_PER_LOOK) { self.must_end() } else { self.ended }
    }

    /// Whether the script has changed anything.
    fn has_written(&self) -> bool {
        self.state.effects.count() > self.effects
    }

    /// Refuses a write that could not be kept, unless the script has written
    /// before: its work is not to be cut in half.
    pub(super) fn admit_write(&self, adds: bool) -> Result<(), ErrorReply> {
        if self.terms.read_only {
            return Err("ERR Write commands are not allowed from read-only scripts.".into());
        }
        if self.has_written() {
            return if self.state.effects.bytes() < FRAME_BYTES {
                Ok(())
            } else {
                Err(WROTE_TOO_MUCH.into())
            };
        }
        if let Some(files) = &self.files {
            files.admit_more_writes()?;
        }
        if adds && self.full && !self.terms.allow_oom {
            return Err(commands::OUT_OF_MEMORY.into());
        }
        if self.watch.writes() { Ok(()) } else { Err(KILLED.into()) }
    }

    /// Drops clean keys that commands brought into memory while it is over its
    /// limit: a script may look at more than fits.
    pub(super) fn keep_to_the_limit(&mut self) {
        if let (Some(_), Some(limit)) = (&self.files, self.memory_limit) {
            self.state.keyspaces.iter_mut().for_each(Keyspace::look_at);
            self.state.evict(limit);
        }
    }

    /// Brings the keys of a command into memory. Unlike those that the script
    /// declared, they are read while the database is locked.
    pub(super) fn fetch(
        &mut self,
        call: &crate::database::Call,
        draw: u64,
    ) -> Result<Option<commands::Cold>, ErrorReply> {
        let Some(files) = &self.files else { return Ok(None) };
        self.state.settle_for(&files.records, call).map_err(|error| error.reply())?;
        let any = self.state.fetch_locked(&files.records, call, draw);
        self.grown |= any.map_err(|error| store_reply(&error))?;
        let Some((db, walk)) = self.state.walk(std::slice::from_ref(call)) else { return Ok(None) };
        let walked = files.records.walk(self.state.keyspaces[db].id(), &walk);
        walked.map(Some).map_err(|error| store_reply(&error))
    }
}
