//! One client for every place a Tuckbox database can live.
//!
//! ```no_run
//! # async fn example() -> Result<(), tuckbox::Error> {
//! use tuckbox::{Db, cmd};
//!
//! let db = Db::open("redis://127.0.0.1:6379").await?;
//! db.call(cmd!("HSET", "lessons:ada", "123", "done")).await?;
//! let lessons = db.call(cmd!("HGETALL", "lessons:ada")).await?.into_pairs()?;
//! assert_eq!(lessons.len(), 1);
//! # Ok(()) }
//! ```
//!
//! # Where a database lives
//!
//! | URL | feature | what it is |
//! |---|---|---|
//! | `file:<directory>[?durability=always\|everysec]` | `embedded` | an engine in this process that keeps its data in a directory |
//! | `memory:` | `embedded` | an engine in this process that keeps nothing |
//! | `redis://[[user]:password@]host[:port][/db]` | `redis` | a Redis or Valkey server over TCP |
//! | `rediss://…[?cacert=<PEM file>]` | `redis-tls` | the same, encrypted |
//!
//! `/`, `?`, `#` and `%` in a password are written as `%2F`, `%3F`, `%23` and
//! `%25`. A server that behaves badly with RESP3 can be spoken to in RESP2 with
//! `?protocol=resp2`.
//!
//! Replies have the same shape everywhere: RESP3's, so `HGETALL` answers a
//! [`Reply::Map`] on every transport that can (a server that knows RESP2 alone
//! answers a flat array, which [`Reply::into_pairs`] reads as well).
//!
//! Calls share connections, so commands that change one (`MULTI`, `SELECT`,
//! `SUBSCRIBE`, …) or hold it up (`BLPOP`, …) are refused with
//! [`Error::NotShared`], which says what to do instead.
//!
//! # Remote databases
//!
//! [`Db::open`] does not connect: the first call does, and a call after the
//! connection was lost connects again. All clones of a [`Db`] share one
//! connection, on which calls are answered in the order they were made. Nothing
//! runs between calls, so a process may be frozen and thawed at any time.
//!
//! Every call ends within [`Options::deadline`]. A call whose connection turns
//! out to be dead is repeated once on a new one, but only when that cannot
//! apply it twice; otherwise the error says whether it may have been applied
//! ([`Error::maybe_applied`]).

mod db;
mod env;
mod error;
mod options;
mod transport;
mod url;

pub use db::Db;
pub use env::url_from_env;
pub use error::Error;
pub use options::Options;
pub use tuckbox_resp::{Arg, Command, CommandBuilder, ErrorReply, Reply, Unexpected, cmd};
pub use url::UrlError;
