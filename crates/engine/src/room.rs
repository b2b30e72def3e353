//! [`Room`]: what writers wait for.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tuckbox_resp::{
    Command,
    table::{self, CommandSpec, Flags},
};

use crate::{
    database::{Database, Eased},
    log::{self, block_on, block_on_until},
};

/// What a command asks of an engine that may be short of room.
///
/// Each asks for what the one before asks for too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// It changes nothing, and never waits.
    #[default]
    Nothing,
    /// It may change something, so the log has to take it.
    Log,
    /// It may add something, so memory has to take it.
    Memory,
}

impl Demand {
    /// What a command asks for when it runs by itself. A script is taken at what it
    /// might do. For one in or at the end of a transaction see
    /// [`Connection::demand`](crate::Connection::demand).
    #[must_use]
    pub fn of(command: &Command) -> Self {
        let spec = table::lookup(command.name()).and_then(|spec| spec.resolve(command));
        spec.map_or(Self::Nothing, Self::of_spec)
    }

    pub(crate) fn of_spec(spec: &CommandSpec) -> Self {
        // Scripts that may write are known by the second of these.
        if spec.flags.intersects(Flags::DENYOOM.union(Flags::MAY_REPLICATE)) {
            Self::Memory
        } else if spec.flags.contains(Flags::WRITE) {
            Self::Log
        } else {
            Self::Nothing
        }
    }
}

/// Resolves when there is room for a command; see [`Engine::room`](crate::Engine::room).
///
/// It waits for the log as long as that takes. It waits for memory until
/// [`due`](Self::due), whether there is room by then or not: who polls it then goes
/// on at that time. Nobody has to, it is woken soon after.
#[must_use = "futures do nothing unless awaited"]
pub struct Room {
    log: Option<log::Room>,
    memory: Option<Eased>,
}

impl Room {
    pub(crate) fn new(database: &Arc<Database>, demand: Demand) -> Self {
        let files = database.files.as_ref().filter(|_| demand >= Demand::Log);
        let full = files.filter(|files| !files.log.has_room());
        let eased = files.filter(|_| demand >= Demand::Memory).and_then(|_| Eased::new(database));
        if full.is_some_and(|files| !files.saving.is_locked()) || eased.is_some() {
            database.bells.save.ring();
        }
        Self { log: full.map(|files| files.log.room()), memory: eased }
    }

    /// Until when it waits for memory; `None` when it does not.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.memory.as_ref().map(Eased::due)
    }

    /// Waits, blocking this thread.
    pub(crate) fn wait(mut self) {
        if let Some(due) = self.due()
            && block_on_until(&mut self, due).is_some()
        {
            return;
        }
        block_on(self);
    }
}

impl Future for Room {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.memory.as_mut().is_some_and(|eased| eased.poll(context).is_ready()) {
            this.memory = None;
        }
        // A log that takes no writes at all lets the write find out why.
        if this.log.as_mut().is_some_and(|room| Pin::new(room).poll(context).is_ready()) {
            this.log = None;
        }
        match (&this.memory, &this.log) {
            (None, None) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (log, memory) = (self.log.is_some(), self.memory.is_some());
        f.debug_struct("Room").field("log", &log).field("memory", &memory).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
        path::Path,
        sync::atomic::{AtomicBool, AtomicU64, Ordering},
        thread,
        time::Duration,
    };

    use tuckbox_resp::{Reply, cmd};

    use super::*;
    use crate::{Durability, Engine, Options, inspect};

    const CHECKPOINT_LOG: u64 = 1 << 20;
    const VALUE_BYTES: usize = 1000;
    const WRITERS: u64 = 3;

    /// Where writers stop, and the frames of those who were past the door.
    const BOUND: u64 = 2 * CHECKPOINT_LOG + WRITERS * 1100;

    fn short_log() -> Options {
        Options {
            checkpoint_log_bytes: CHECKPOINT_LOG,
            durability: Durability::EverySec,
            ..Options::default()
        }
    }

    fn database(engine: &Engine) -> Arc<Database> {
        Arc::clone(&engine.connection().engine.database)
    }

    fn wait_until(what: &str, reached: impl Fn() -> bool) {
        let started = Instant::now();
        while !reached() {
            assert!(started.elapsed() < Duration::from_secs(60), "{what}: never");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Runs `test` beside writers, each of which executes one write after the other.
    /// `test` is given how many were done; this returns how many were.
    fn beside_writers(engine: &Engine, test: impl FnOnce(&AtomicU64)) -> u64 {
        let (next, done, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    let mut connection = engine.connection();
                    while !over.load(Ordering::Relaxed) {
                        let key = format!("key:{}", next.fetch_add(1, Ordering::Relaxed));
                        let set = cmd!("SET", key, vec![b'v'; VALUE_BYTES]);
                        assert_eq!(connection.execute(&set).reply, Reply::OK);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let tested = catch_unwind(AssertUnwindSafe(|| test(&done)));
            over.store(true, Ordering::Relaxed);
            tested.unwrap_or_else(|panic| resume_unwind(panic));
        });
        done.into_inner()
    }

    /// Every key that was written is there, now and after a restart.
    fn check(engine: Engine, dir: &Path, written: u64) {
        let read = |engine: &Engine| {
            let mut connection = engine.connection();
            for number in 0..written {
                let length = connection.execute(&cmd!("STRLEN", format!("key:{number}"))).reply;
                assert_eq!(length, Reply::Integer(VALUE_BYTES as i64), "{number}");
            }
        };
        read(&engine);
        engine.close().unwrap();
        drop(engine);
        let engine = Engine::open(dir, Options::default()).unwrap();
        read(&engine);
    }

    /// Bytes of all frames in files that are not trimmed.
    fn bytes_of_files(dir: &Path) -> u64 {
        let paths = fs::read_dir(dir.join("log")).unwrap().map(|file| file.unwrap().path());
        let live = paths.filter(|path| path.extension().is_some_and(|end| end == "log"));
        live.map(|path| inspect(&fs::read(path).unwrap()).bytes).sum()
    }

    #[test]
    fn reads_ask_for_nothing_and_scripts_for_all_they_might_need() {
        for (command, demand) in [
            (cmd!("GET", "a"), Demand::Nothing),
            (cmd!("PING"), Demand::Nothing),
            (cmd!("EVAL_RO", "return 1", 0), Demand::Nothing),
            (cmd!("BGSAVE"), Demand::Nothing),
            (cmd!("NO-SUCH-COMMAND"), Demand::Nothing),
            (cmd!("DEL", "a"), Demand::Log),
            (cmd!("EXPIRE", "a", 1), Demand::Log),
            (cmd!("FLUSHALL"), Demand::Log),
            (cmd!("SET", "a", 1), Demand::Memory),
            (cmd!("HSET", "a", "b", 1), Demand::Memory),
            (cmd!("EVAL", "return 1", 0), Demand::Memory),
            (cmd!("EVALSHA", "0", 0), Demand::Memory),
        ] {
            assert_eq!(Demand::of(&command), demand, "{command:?}");
        }
    }

    #[test]
    fn a_transaction_asks_at_its_end_for_what_its_commands_need() {
        let engine = Engine::in_memory(Options::default()).unwrap();
        let mut connection = engine.connection();
        let exec = table::lookup(b"EXEC").unwrap();
        for (command, demand) in [
            (cmd!("GET", "a"), Demand::Nothing),
            (cmd!("DEL", "a"), Demand::Log),
            (cmd!("SET", "a", 1), Demand::Memory),
        ] {
            assert_eq!(connection.demand(exec), Demand::Nothing);
            connection.execute(&cmd!("MULTI"));
            let set = table::lookup(b"SET").unwrap();
            assert_eq!(connection.demand(set), Demand::Nothing, "it is queued");
            connection.execute(&command);
            connection.execute(&cmd!("GET", "a"));
            assert_eq!(connection.demand(exec), demand, "{command:?}");
            connection.execute(&cmd!("EXEC"));
        }
    }

    #[test]
    fn a_stalled_checkpoint_stops_writers_at_the_bound_and_no_reader() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path(), short_log()).unwrap();
        let database = database(&engine);
        let stalled = database.files.as_ref().unwrap().saving.lock();
        let written = beside_writers(&engine, |done| {
            wait_until("the log is full", || !engine.has_room(Demand::Log));
            let mut reader = engine.connection();
            for _ in 0..1000 {
                let value = reader.execute(&cmd!("STRLEN", "key:0")).reply;
                assert_eq!(value, Reply::Integer(VALUE_BYTES as i64));
                let bytes = engine.stats().log_bytes;
                assert!((2 * CHECKPOINT_LOG..BOUND).contains(&bytes), "{bytes}");
            }
            let on_disk = bytes_of_files(dir.path());
            assert!((CHECKPOINT_LOG..BOUND).contains(&on_disk), "{on_disk}");
            let before = done.load(Ordering::Relaxed);
            drop(stalled);
            wait_until("writers go on", || done.load(Ordering::Relaxed) > before + 2000);
        });
        check(engine, dir.path(), written);
    }

    #[test]
    fn a_log_is_never_longer_than_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path(), short_log()).unwrap();
        let written = beside_writers(&engine, |done| {
            wait_until("ten times the log", || {
                let bytes = engine.stats().log_bytes;
                assert!(bytes < BOUND, "{bytes}");
                done.load(Ordering::Relaxed) * VALUE_BYTES as u64 > 10 * CHECKPOINT_LOG
            });
        });
        assert!(engine.stats().checkpoints >= 4, "{}", engine.stats().checkpoints);
        check(engine, dir.path(), written);
    }

    #[test]
    fn nobody_waits_for_checkpoints_that_fail() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path(), short_log()).unwrap();
        database(&engine).files.as_ref().unwrap().records.store().unwrap().poison();
        let written = beside_writers(&engine, |_| {
            wait_until("a long log", || engine.stats().log_bytes > 2 * BOUND);
        });
        assert!(engine.has_room(Demand::Memory) && engine.health().checkpoints.is_some());
        // Not in order, since there is no checkpoint at the end.
        engine.close().unwrap_err();
        drop(engine);
        let engine = Engine::open(dir.path(), Options::default()).unwrap();
        check(engine, dir.path(), written);
    }

    #[test]
    fn the_wait_for_memory_ends_though_memory_cannot_shrink() {
        let dir = tempfile::tempdir().unwrap();
        let tight = Options { memory_limit: 8 << 20, ..Options::default() };
        let long = Options { checkpoint_log_bytes: 1 << 40, ..tight };
        let engine = Engine::open(dir.path(), long).unwrap();
        let database = database(&engine);
        let stalled = database.files.as_ref().unwrap().saving.lock();
        let mut connection = engine.connection();
        let mut written = 0;
        let set = |number| cmd!("SET", format!("key:{number}"), vec![b'v'; VALUE_BYTES]);
        while engine.has_room(Demand::Memory) {
            assert_eq!(connection.execute_now(&set(written)).reply, Reply::OK);
            written += 1;
        }
        assert!(engine.has_room(Demand::Log) && engine.room(Demand::Log).due().is_none());
        assert!(engine.room(Demand::Memory).due().is_some());
        // By its own clock, and by nothing but being woken.
        assert_eq!(connection.execute(&set(written)).reply, Reply::OK);
        block_on(engine.room(Demand::Memory));
        assert!(!engine.has_room(Demand::Memory));
        drop(stalled);
        wait_until("memory is free", || engine.has_room(Demand::Memory));
        drop((connection, database));
        check(engine, dir.path(), written + 1);
    }

    #[test]
    fn nothing_waits_for_an_engine_in_memory() {
        let engine = Engine::in_memory(Options { memory_limit: 1, ..Options::default() }).unwrap();
        let mut connection = engine.connection();
        connection.execute(&cmd!("SET", "a", 1));
        let refused = connection.execute(&cmd!("SET", "b", 1)).reply;
        assert!(matches!(refused, Reply::Error(error) if error.code() == "OOM"));
        assert!(engine.has_room(Demand::Memory));
        assert!(engine.room(Demand::Memory).due().is_none());
    }
}
