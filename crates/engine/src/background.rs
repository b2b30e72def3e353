//! The work that no command waits for: expiry, eviction, checkpoints.
//!
//! Two threads, so that a sync of the store does not hold up expiry. Each
//! works in slices that hold the lock for well under a millisecond, and sleeps
//! without waking while there is nothing to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    bell::Bell,
    checkpoint::{self, CheckpointError},
    database::{Database, LOGICAL, State},
    files::Files,
    memory::{Keyspace, KeyspaceId, Removed, Str, Value},
};

/// The shortest and the longest time between two rounds while any key can
/// expire.
const TICK: Duration = Duration::from_millis(100);
const LONGEST_TICK: Duration = Duration::from_secs(1);

/// Segments swept under one lock: one segment has at most 448 keys.
const SWEEP_AT_ONCE: usize = 1;

/// Expired keys in the store that one lock removes.
const COLD_UNDER_LOCK: usize = 256;

/// Expired keys in the store that memory takes note of, until a checkpoint has
/// made the store forget them.
const COLD_AT_ONCE: usize = 16 * 1024;

/// Parts of deleted values that one lock takes out of memory.
const DEAD_AT_ONCE: usize = 256;

/// Segments that an eviction looks at under one lock.
const EVICT_AT_ONCE: usize = 4;

/// How long a failed checkpoint waits before it is tried again.
const CHECKPOINT_RETRY: Duration = Duration::from_secs(1);

/// The background threads of an engine.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Arc<AtomicBool>,
    bells: Arc<Bells>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Wakes the threads.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    /// Of the thread that expires and evicts.
    pub(crate) tidy: Bell,
    /// Of the thread that writes checkpoints.
    pub(crate) save: Bell,
    /// Keys that have expired are left to the commands that meet them.
    pub(crate) expiry_rests: AtomicBool,
}

impl Bells {
    /// Says that a key changed; to be called under the database's lock.
    pub(crate) fn changed(&self) {
        self.tidy.nudge();
        self.save.nudge();
    }
}

impl Background {
    /// Starts the threads of `database`, which end when they are told to.
    pub(crate) fn start(database: &Arc<Database>) -> std::io::Result<Self> {
        let background = Self {
            stop: Arc::new(AtomicBool::new(false)),
            bells: Arc::clone(&database.bells),
            threads: Mutex::default(),
        };
        background.spawn("tuckbox-tidy", database, Worker::tidy)?;
        if let Some(files) = &database.files {
            if has_leftovers(database, files) {
                database.bells.save.ring();
            }
            background.spawn("tuckbox-checkpoint", database, Worker::save)?;
        }
        Ok(background)
    }

    fn spawn(
        &self,
        name: &str,
        database: &Arc<Database>,
        body: fn(&Worker),
    ) -> std::io::Result<()> {
        let worker = Worker { database: Arc::clone(database), stop: Arc::clone(&self.stop) };
        let named = thread::Builder::new().name(name.to_owned());
        self.threads.lock().push(named.spawn(move || body(&worker))?);
        Ok(())
    }

    /// Ends the threads, after what they are doing.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.bells.tidy.ring();
        self.bells.save.ring();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            if thread.join().is_err() {
                tracing::error!("a background thread of the engine panicked");
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a background thread knows.
///
/// It holds the state and not the engine: so the last handle to an engine is
/// never dropped here, and who drops it finds the directory released.
struct Worker {
    database: Arc<Database>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Expiry and eviction, until the engine ends.
    fn tidy(&self) {
        let bell = &self.database.bells.tidy;
        let mut done = Done::default();
        while !self.is_stopped() {
            bell.set_awake(false);
            let next = tidy(&self.database, &self.stop, &mut done);
            bell.set_awake(next.is_some());
            // However many nudges there are, ten rounds in a second are enough.
            bell.rest(TICK);
            bell.sleep(next.map(|next| next.saturating_sub(TICK)));
        }
    }

    /// Checkpoints, until the engine ends.
    fn save(&self) {
        let Some(files) = &self.database.files else { return };
        let bell = &self.database.bells.save;
        let interval = Duration::from_millis(self.database.options.checkpoint_interval_ms);
        let mut now = false;
        loop {
            // Changes are gathered for a while, or until the log has grown.
            if !now && !bell.sleep(None) && !self.is_stopped() {
                bell.sleep(Some(interval));
            }
            if self.is_stopped() {
                return;
            }
            bell.set_awake(false);
            match save(&self.database, files) {
                Ok(Progress::More) => now = true,
                Ok(Progress::Done) => now = false,
                Err(error) => {
                    tracing::error!(%error, "a checkpoint failed; the log is kept until one succeeds");
                    self.wait_to_retry();
                    now = true;
                }
            }
        }
    }

    /// However loudly the bell rings: a checkpoint that fails has cost a lot.
    fn wait_to_retry(&self) {
        let until = Instant::now() + CHECKPOINT_RETRY;
        while !self.is_stopped() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.database.bells.save.sleep(Some(left));
        }
    }
}

/// What the rounds before have done that need not be done again until the next
/// checkpoint.
#[derive(Default)]
struct Done {
    /// At which checkpoint the expired keys of a keyspace in the store were
    /// taken note of.
    cold: [Option<(KeyspaceId, u64)>; LOGICAL],
    /// At which checkpoint the traces of deleted keys were dropped.
    traces: Option<u64>,
}

/// One round of expiry and eviction; returns when the next is due, if any is.
fn tidy(database: &Database, stop: &AtomicBool, done: &mut Done) -> Option<Duration> {
    if database.lock().pending.is_some() {
        // Whether a key has expired is not known before all that the log says of it
        // was run; then this thread is woken.
        database.tend_writers();
        return None;
    }
    let now = database.options.clock.now_ms();
    let mut next_expiry = None;
    for db in 0..LOGICAL {
        if database.bells.expiry_rests.load(Ordering::Relaxed) {
            break;
        }
        let mut complete = false;
        let mut swept = Removed::default();
        while !complete && !stop.load(Ordering::Relaxed) {
            let mut state = database.lock();
            let before = state.keyspaces[db].expired();
            complete = state.keyspaces[db].sweep_expired(now, SWEEP_AT_ONCE, &mut swept);
            if state.keyspaces[db].expired() > before {
                // No command says so: the store has to forget them too.
                database.bells.save.nudge();
            }
            unlock(state);
            swept.clear();
        }
        let cold = sweep_cold(database, db, now, &mut done.cold[db]);
        let warm = database.lock().keyspaces[db].next_expiry();
        next_expiry = next_expiry.into_iter().chain(cold).chain(warm).min();
    }
    let more = evict(database, stop, done);
    free_dead(database, stop);
    let mut state = database.lock();
    let values: Vec<_> = state.keyspaces.iter_mut().flat_map(Keyspace::take_trash).collect();
    // A checkpoint that began before the flush wants the keys as they were.
    let done = |keyspace: &mut Keyspace| !keyspace.has_snapshot();
    let keyspaces: Vec<_> = state.flushes.trash.extract_if(.., done).collect();
    drop(state);
    drop((values, keyspaces));
    let until = |at: u64| Duration::from_millis(at.saturating_sub(now));
    let next = next_expiry.map(until).or(more.then_some(TICK));
    next.map(|next| next.clamp(TICK, LONGEST_TICK))
}

/// Frees the parts of values that are no more.
fn free_dead(database: &Database, stop: &AtomicBool) {
    for db in 0..LOGICAL {
        while !stop.load(Ordering::Relaxed) {
            let mut state = database.lock();
            let parts = state.keyspaces[db].take_dead(DEAD_AT_ONCE);
            if database.files.is_none() {
                // There is no store to be told.
                drop(state.keyspaces[db].take_dropped());
            }
            unlock(state);
            if parts.is_empty() {
                break;
            }
        }
    }
}

/// Removes keys that are only in the store and whose time has come; returns
/// when the next one's will come, unless a checkpoint has to come before.
fn sweep_cold(
    database: &Database,
    db: usize,
    now: u64,
    done: &mut Option<(KeyspaceId, u64)>,
) -> Option<u64> {
    let store = database.files.as_ref()?.records.store().ok()?;
    'read: loop {
        let state = database.lock();
        let (id, checkpoints) = (state.keyspaces[db].id(), state.checkpoints);
        drop(state);
        if *done == Some((id, checkpoints)) {
            return None;
        }
        let list = |until, limit| {
            let listed = store.expired(id.0, until, limit);
            listed
                .inspect_err(|error| tracing::error!(%error, "expiry times could not be read"))
                .ok()
        };
        let mut listed = list(u64::MAX, COLD_UNDER_LOCK)?;
        if listed.len() == COLD_UNDER_LOCK && listed.iter().all(|key| key.expire_at <= now) {
            listed = list(now, COLD_AT_ONCE)?;
        }
        let due = listed.partition_point(|key| key.expire_at <= now);
        for keys in listed[..due].chunks(COLD_UNDER_LOCK) {
            let mut state = database.lock();
            // A key that memory has dropped since may have a later expiry by now.
            if state.checkpoints != checkpoints || state.keyspaces[db].id() != id {
                continue 'read;
            }
            for key in keys {
                // What is in parts leaves more than its key to be removed.
                let head = key.head.as_ref().and_then(|head| Value::decode(key.kind, head));
                let value = head.unwrap_or(Value::Str(Str::Int(0)));
                state.keyspaces[db].expire_cold(&key.key, value);
            }
            unlock(state);
        }
        if due > 0 {
            // The store lists these keys until a checkpoint makes it forget them;
            // after that this thread is woken.
            *done = Some((id, checkpoints));
            database.bells.save.ring();
        }
        return listed.get(due).map(|key| key.expire_at);
    }
}

/// Drops the traces of deleted keys, and clean keys while memory is over its
/// limit; returns whether it should be tried again.
fn evict(database: &Database, stop: &AtomicBool, done: &mut Done) -> bool {
    if database.files.is_none() {
        return false;
    }
    let checkpoints = database.lock().checkpoints;
    let forget = done.traces.replace(checkpoints) != Some(checkpoints);
    let mut more = false;
    for db in 0..LOGICAL {
        let visits = database.lock().keyspaces[db].visits();
        // The first visit clears the mark of recent use, the second drops.
        for _ in 0..(2 * visits).div_ceil(EVICT_AT_ONCE) {
            let mut state = database.lock();
            let over = state.memory() > database.kept();
            let keyspace = &mut state.keyspaces[db];
            let gone = if over {
                keyspace.evict(EVICT_AT_ONCE);
                true
            } else {
                forget && keyspace.forget_gone(EVICT_AT_ONCE)
            };
            unlock(state);
            more |= over;
            if !gone || stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    database.tend_writers();
    more
}

/// Whether the checkpoint thread has more to do at once.
enum Progress {
    Done,
    More,
}

/// A checkpoint and what follows from it.
fn save(database: &Database, files: &Files) -> Result<Progress, CheckpointError> {
    if let Some(done) = checkpoint::run(database, files)?
        && let Err(error) = files.log.trim(done.position)
    {
        tracing::error!(%error, "the log could not be trimmed; the next checkpoint tries again");
    }
    let collected = checkpoint::collect_garbage(&files.records);
    files.note_checkpoint(&collected);
    if collected.is_err() {
        files.records.read_on();
    }
    Ok(if collected? { Progress::More } else { Progress::Done })
}

/// Whether an engine that was just opened has something for the store.
fn has_leftovers(database: &Database, files: &Files) -> bool {
    let garbage = files.records.store().and_then(|store| store.has_garbage());
    let state = database.lock();
    state.pending.is_some() || state.is_changed() || garbage.unwrap_or(false)
}

/// Lets those who wait for the lock have it before this thread's next slice.
fn unlock(state: MutexGuard<'_, State>) {
    MutexGuard::unlock_fair(state);
}

#[cfg(test)]
mod tests {
    use tuckbox_resp::Reply;

    use super::*;
    use crate::recovery::tests::Opened;

    #[test]
    fn no_key_expires_before_all_that_the_log_says_of_it_was_run() {
        let opened = Opened::new();
        opened.run("SET stays v PX 100");
        opened.run("SET goes v PX 100");
        opened.save();
        opened.clock.advance(50);
        opened.run("PERSIST stays");
        let opened = opened.crash();
        opened.clock.advance(1_000);
        let round = || tidy(&opened.database, &AtomicBool::new(false), &mut Done::default());
        assert_eq!(round(), None);
        assert_eq!(opened.pending(), 1);
        opened.database.settle().unwrap();
        round();
        assert_eq!(opened.run("DBSIZE"), Reply::Integer(1));
        assert_eq!(opened.run("GET stays"), Reply::bulk(b"v"));
    }
}
