//! Redis semantics on a durable store, embedded in your process.
//!
//! ```
//! use tuckbox_engine::{Engine, Options};
//! use tuckbox_resp::{Reply, cmd};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let engine = Engine::open(dir, Options::default())?;
//! let mut connection = engine.connection();
//!
//! let executed = connection.execute(&cmd!("HINCRBY", "session:1", "views", 1));
//! // The reply may be shown once the change is on disk. Async: `durable`.
//! engine.wait_durable(executed.position)?;
//! assert_eq!(executed.reply, Reply::Integer(1));
//!
//! engine.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is
//!
//! The string, hash, key, connection, transaction and script commands of Redis
//! 7.2, with Redis' replies and errors, on 16 logical databases. A
//! [`Connection`] is what a client of Redis would be: it selects a database,
//! opens transactions, watches keys. Commands run one at a time, on structures
//! in memory.
//!
//! # Durability
//!
//! [`Connection::execute`] answers at once, with a [`Position`];
//! [`Engine::durable`] resolves when that position is on disk. Until then the
//! reply must not be shown. Commands go on running during a sync, and one sync
//! serves all who wait for it.
//!
//! | [`Durability`] | an acknowledged write survives |
//! |---|---|
//! | [`Always`](Durability::Always) (default) | the end of the process, and a power cut |
//! | [`EverySec`](Durability::EverySec) | the end of the process but for its last milliseconds, and a power cut but for its last second |
//! | [`Engine::in_memory`] | nothing: the data ends with the engine |
//!
//! A transaction is kept whole or not at all. A read that sees a change which
//! is not durable yet has that change's position, so that nobody acts on what a
//! crash can take back.
//!
//! # When the disk fails
//!
//! - **Full:** writes get an error that says so, reads go on. As soon as there is
//!   room, writes go on too. What had been acknowledged is on disk.
//! - **A write or sync fails:** the engine takes no more writes, says so, and
//!   never tries that sync again; after a failed sync nobody can know what is on
//!   the disk. Restart it.
//! - **A checkpoint fails:** nothing is lost, the log keeps what the store does not
//!   have. Without room it is tried again; after another failure not before the
//!   engine is opened anew.
//! - **A file is damaged:** opening says which and where, and changes nothing. A
//!   torn end of the log, which a crash can leave, was never acknowledged and is
//!   cut.
//! - **A second engine on one directory** is refused, and told who has it.
//!
//! [`Engine::health`] tells of the first three; a probe should ask it. [`check`]
//! reads a whole directory and says whether it is as it was written.
//!
//! # Size
//!
//! A database may be larger than memory, and so may one hash in it.
//! [`Options::memory_limit`] says how much is kept; what has not been used lately
//! is dropped and read back from the store, which takes a few microseconds from
//! the page cache and a disk read otherwise. A large hash is kept and dropped in
//! parts of some 2 KiB: to read or change one field moves about as much, in
//! memory, in the log and in the store.
//!
//! The limit is for the whole process, but for what the replies and the log hold
//! for a moment. The store's file is mapped, and its pages belong to the system's
//! page cache.
//!
//! Opening reads and indexes what was written since the last checkpoint, at most twice
//! [`Options::checkpoint_log_bytes`], however large the database is.
//!
//! Writers that are faster than the disk wait for it when either limit is reached;
//! readers never do. See [`Engine::room`].
//!
//! # Threads
//!
//! Three for an engine with a directory (log, checkpoint, expiry), one without.
//! They sleep while there is nothing to do. `execute` blocks on the database's
//! lock, which is held for microseconds, on the disk when something has to be read
//! back, and in a writer while there is no room. [`Connection::execute_now`] leaves
//! that wait to its caller, who may [await](Engine::room) it.

mod background;
mod bell;
pub mod check;
mod checkpoint;
mod client;
mod clock;
mod commands;
mod connection;
mod database;
mod directory;
mod effects;
mod engine;
mod error;
mod files;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod host;
mod log;
mod memory;
mod options;
mod pending;
mod random;
mod recovery;
mod room;
mod script;
mod stats;
mod store;
#[cfg(test)]
mod testing;
mod transaction;
mod types;

pub use client::Client;
pub use clock::{Clock, ManualClock, SystemClock};
pub use connection::{Connection, Executed};
pub use engine::{Durable, Engine, Position, has_command};
pub use error::OpenError;
pub use health::Health;
pub use host::{Host, Request, ScriptCall, ScriptListener, matches};
pub use log::{Cut, Inspection, LogError, inspect};
pub use options::{Durability, Options};
pub use room::{Demand, Room};
pub use stats::Stats;
