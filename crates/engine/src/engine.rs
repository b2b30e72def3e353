//! [`Engine`]: a database that lives in this process.

use std::{
    fmt,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use parking_lot::Mutex;
use tuckbox_resp::table::CommandSpec;

use crate::{
    Clock, Connection, Health, LogError, OpenError, Options, ScriptListener,
    background::Background,
    checkpoint,
    connection::is_here,
    database::{Database, LOGICAL},
    directory::DirectoryLock,
    log::{self, block_on_until},
    memory::{Keyspace, KeyspaceId},
    random::Random,
    recovery,
    room::{Demand, Room},
    stats::Stats,
};

/// A place in the log of an engine; see [`Engine::durable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub(crate) u64);

impl Position {
    /// Before everything: nothing has to be durable.
    pub const NONE: Self = Self(0);
}

/// A database that lives in this process; cheap to clone.
///
/// ```
/// use tuckbox_engine::{Engine, Options};
/// use tuckbox_resp::{Reply, cmd};
///
/// let engine = Engine::in_memory(Options::default())?;
/// let mut connection = engine.connection();
/// connection.execute(&cmd!("SET", "greeting", "hello"));
/// let reply = connection.execute(&cmd!("GET", "greeting")).reply;
/// assert_eq!(reply, Reply::bulk(b"hello"));
/// # Ok::<(), tuckbox_engine::OpenError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What the handles share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) database: Arc<Database>,
    background: Background,
    lock: Mutex<Option<DirectoryLock>>,
    next_client: AtomicU64,
}

impl Engine {
    /// Opens the data directory `dir`, or makes one.
    ///
    /// Takes as long as reading the log since the last checkpoint (see
    /// [`Options::checkpoint_log_bytes`]), whatever the size of the database. After
    /// a crash the log says what the store does not have: a key that it names is
    /// brought up to date when it is first used, the others in the background.
    /// Commands that concern all keys (`DBSIZE`, `SCAN`, `FLUSHALL`) wait until that
    /// is done: up to about a second.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do. Nothing was changed
    /// then.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let seed = seed(&options)?;
        let lock = DirectoryLock::take(dir)?;
        let database = recovery::open(dir, options, seed)?;
        Self::start(database, Some(lock))
    }

    /// An engine that keeps nothing: its data ends with it.
    ///
    /// # Errors
    /// When the operating system gives no randomness or no thread.
    pub fn in_memory(options: Options) -> Result<Self, OpenError> {
        let seed = seed(&options)?;
        let mut random = Random::new(seed);
        let keyspace = |id| Keyspace::new(KeyspaceId(id), random.seed());
        let keyspaces = (0..LOGICAL as u32).map(keyspace).collect();
        Self::start(Database::new(0, options, keyspaces, LOGICAL as u32, seed), None)
    }

    fn start(database: Database, lock: Option<DirectoryLock>) -> Result<Self, OpenError> {
        if let Some(files) = &database.files {
            files.saved_at_ms.store(database.options.clock.now_ms(), Ordering::Relaxed);
        }
        let database = Arc::new(database);
        let background = Background::start(&database).map_err(OpenError::Thread)?;
        let inner = Arc::new(Inner {
            database,
            background,
            lock: Mutex::new(lock),
            next_client: AtomicU64::new(1),
        });
        Ok(Self { inner })
    }

    /// A new connection, on logical database 0.
    #[must_use]
    pub fn connection(&self) -> Connection {
        let id = self.inner.next_client.fetch_add(1, Ordering::Relaxed);
        Connection::new(Arc::clone(&self.inner), id)
    }

    /// Resolves when everything up to `position` is durable, as
    /// [`Options::durability`] means it: then the reply of that position may be
    /// shown. One sync of the disk serves all who wait at that time.
    ///
    /// Works on any async runtime. Dropping the future cancels nothing but the
    /// waiting.
    ///
    /// # Errors
    /// [`LogError`]: what the reply says is not known to be on disk, and must
    /// not be shown. A write may still be found done later.
    pub fn durable(&self, position: Position) -> Durable {
        let waiting = self.inner.database.files.as_ref().filter(|_| position != Position::NONE);
        Durable(waiting.map(|files| files.log.durable(position.0)))
    }

    /// [`Engine::durable`], blocking this thread.
    ///
    /// # Errors
    /// As [`Engine::durable`].
    pub fn wait_durable(&self, position: Position) -> Result<(), LogError> {
        match &self.inner.database.files {
            Some(files) if position != Position::NONE => files.log.wait(position.0),
            _ => Ok(()),
        }
    }

    /// [`Engine::wait_durable`] until `until` at the most; `None` when it is not
    /// known by then.
    ///
    /// # Errors
    /// As [`Engine::durable`].
    pub fn wait_durable_until(
        &self,
        position: Position,
        until: Instant,
    ) -> Option<Result<(), LogError>> {
        block_on_until(&mut self.durable(position), until)
    }

    /// Whether everything up to `position` is durable already: then
    /// [`Engine::durable`] would resolve at once. Costs a load.
    #[must_use]
    pub fn is_durable(&self, position: Position) -> bool {
        match &self.inner.database.files {
            Some(files) if position != Position::NONE => files.log.is_durable(position.0),
            _ => true,
        }
    }

    /// Says that more writes are about to come, as of clients that were just
    /// answered: then they share one sync. A write waits for others as long as a
    /// sync takes lately, 1 ms at the most, or until [`Engine::go`].
    pub fn hold(&self) {
        if let Some(files) = &self.inner.database.files {
            files.log.hold();
        }
    }

    /// Ends what [`Engine::hold`] began: the writes that were awaited are there.
    pub fn go(&self) {
        if let Some(files) = &self.inner.database.files {
            files.log.go();
        }
    }

    /// Says that a batch begins whose replies are shown together: so one sync is
    /// enough for it. What is written waits for [`Engine::uncork`], 100 ms at the
    /// most.
    pub fn cork(&self) {
        if let Some(files) = &self.inner.database.files {
            files.log.cork();
        }
    }

    /// Ends what [`Engine::cork`] began.
    pub fn uncork(&self) {
        if let Some(files) = &self.inner.database.files {
            files.log.uncork();
        }
    }

    /// Has `listener` hear of the commands that scripts call. There is one such
    /// listener: of several the first stays.
    pub fn listen_to_scripts(&self, listener: Arc<dyn ScriptListener>) {
        self.inner.database.script.tell(listener);
    }

    /// What the engine holds and did. Looks at counters only, and waits for nothing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// Whether the engine can do what it promises: takes writes, and brings
    /// them into the store. A probe should ask this.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.database.files.as_deref().map_or_else(Health::default, Health::of)
    }

    /// Whether a command of this demand need not wait; see [`Engine::room`]. Costs
    /// two loads.
    #[must_use]
    pub fn has_room(&self, demand: Demand) -> bool {
        self.inner.database.has_room(demand)
    }

    /// [`Options::memory_limit`] as it is now.
    #[must_use]
    pub fn memory_limit(&self) -> usize {
        self.inner.database.memory_limit()
    }

    /// Changes [`Options::memory_limit`]. What is over a lower limit is dropped in
    /// the background, as far as the store has it.
    pub fn set_memory_limit(&self, bytes: usize) {
        self.inner.database.set_memory_limit(bytes);
    }

    /// Whether keys that have expired are removed in the background, as they are
    /// unless a test of expiry wants otherwise; a command that meets one removes it
    /// all the same.
    pub fn set_active_expiry(&self, active: bool) {
        let bells = &self.inner.database.bells;
        bells.expiry_rests.store(!active, Ordering::Relaxed);
        bells.tidy.ring();
    }

    /// How the engine was told to run.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.database.options
    }

    /// The data directory; `None` for an engine in memory.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.inner.database.files.as_ref().map(|files| files.records.directory())
    }

    /// Where the engine reads the time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.database.options.clock
    }

    /// Resolves when there is room for a command, which is almost always at once.
    ///
    /// Writers wait for three reasons, and readers for none of them:
    /// - The disk is slower than the writers, and much waits to be written to the log.
    /// - The log after the last checkpoint is as long as it may be; see
    ///   [`Options::checkpoint_log_bytes`].
    /// - Memory is over its limit with what no checkpoint has saved. A command that
    ///   adds something waits for that no longer than 100 ms.
    ///
    /// [`Connection::execute`] does so by itself. Who calls
    /// [`Connection::execute_now`] or [`Connection::execute_in`] waits here first:
    /// they exceed what is free, and are refused when it is by much.
    pub fn room(&self, demand: Demand) -> Room {
        Room::new(&self.inner.database, demand)
    }

    /// Brings the store up to the state of now and trims the log, as the
    /// background does by itself from time to time. Blocks.
    ///
    /// # Errors
    /// When the store refuses; nothing is lost then, the log has it.
    pub fn checkpoint(&self) -> Result<(), OpenError> {
        self.inner.checkpoint()
    }

    /// Has the background make a checkpoint soon.
    pub fn checkpoint_soon(&self) {
        self.inner.database.bells.save.ring();
    }

    /// Ends the engine: everything is made durable and checkpointed, and the
    /// directory is released. Blocks. Further writes through any handle get an
    /// error.
    ///
    /// # Errors
    /// When not everything that was executed is durable.
    pub fn close(&self) -> Result<(), OpenError> {
        self.inner.close()
    }
}

impl Inner {
    pub(crate) fn stats(&self) -> Stats {
        Stats::of(&self.database, &self.database.lock())
    }

    fn checkpoint(&self) -> Result<(), OpenError> {
        let Some(files) = &self.database.files else { return Ok(()) };
        if let Some(done) = checkpoint::run(&self.database, files)? {
            files.log.trim(done.position)?;
        }
        Ok(())
    }

    fn close(&self) -> Result<(), OpenError> {
        self.background.stop();
        // Whoever comes second waits for the first.
        let mut held = self.lock.lock();
        let Some(lock) = held.take() else { return Ok(()) };
        let saved = self.checkpoint();
        if let Some(files) = &self.database.files {
            let logged = files.log.close();
            files.records.close();
            logged?;
        }
        drop(lock);
        saved
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the engine could not be closed in order");
        }
    }
}

/// Whether connections of an engine run the command of this spec, which is no
/// subcommand's, without a [`Host`](crate::Host).
#[must_use]
pub fn has_command(spec: &CommandSpec) -> bool {
    is_here(spec)
}

/// Resolves when a position is durable; see [`Engine::durable`].
#[must_use = "futures do nothing unless awaited"]
pub struct Durable(Option<log::Durable>);

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable").field("waits", &self.0.is_some()).finish()
    }
}

impl Future for Durable {
    type Output = Result<(), LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(waiting) => Pin::new(waiting).poll(context),
            None => Poll::Ready(Ok(())),
        }
    }
}

fn seed(options: &Options) -> Result<u64, OpenError> {
    match options.random_seed {
        Some(seed) => Ok(seed),
        None => getrandom::u64().map_err(|error| OpenError::Random(error.to_string())),
    }
}
