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
//! | `redis+unix://[[user]:password@]/<path>[?db=<db>]` | `redis` | a server on this machine over a Unix socket |
//! | `redis+cluster://[[user]:password@]host[:port][,host[:port]…]` | `redis-cluster` | a cluster, found through any of these nodes |
//! | `redis+sentinel://[[user]:password@]host[:port][,…]/<service>[/db]` | `redis-cluster` | the server that these sentinels call the master of the service |
//! | `rediss://…`, `rediss+cluster://…`, `rediss+sentinel://…` | `redis-tls` as well | the same, encrypted; `?cacert=<PEM file>` names whom to trust |
//!
//! `/`, `?`, `#` and `%` in a password are written as `%2F`, `%3F`, `%23` and
//! `%25`. A server that behaves badly with RESP3 can be spoken to in RESP2 with
//! `?protocol=resp2`. Sentinels that want a login of their own get it from
//! `?sentinel_password=…` and `&sentinel_username=…`; the one in front of the
//! hosts is the server's. The schemes may be spelled with `-` for `+`, as
//! some clients do, and `redis+unix://` as `unix://`.
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
//!
//! What that means for a process that was frozen while the server, or something
//! between, ended its connection:
//!
//! - When the machine has heard of the end (the process was stopped, the machine
//!   was not), the next call sees it before it sends anything, and goes to one
//!   new connection. Reads and writes alike succeed.
//! - When it has not (the whole machine stood still), the call is sent, and fails
//!   when the server answers that it knows no such connection. Reads and
//!   [idempotent](Invocation::idempotent) scripts are repeated on one new
//!   connection; other writes fail with [`Error::Unavailable`], which says that
//!   they may have been applied, and the next call connects. It is rarer the
//!   shorter [`Options::max_idle`]: a connection idle for longer is not used.
//!
//! A connection belongs to the tokio runtime of the call that made it: a runtime
//! that is blocked or shut down holds up the calls of others that share it. With
//! a runtime for each thread, as in actix-web, give each
//! [`Db::with_own_connections`].
//!
//! Every transport needs a runtime with its timers on (`enable_time`), as those of
//! `#[tokio::main]` have: a call to a remote store for its deadline, a write to an
//! embedded one when the disk is slower than the writers. Such a write waits
//! without blocking its thread.
//!
//! # URLs that are secrets
//!
//! [`Db::from_source`] takes a function that finds the URL: in a file, a
//! parameter store, a secret manager. It is asked at the first call, and again
//! when the server refuses the credentials, so a password that was changed needs
//! no restart. No error, no `Debug` and no `Display` of this crate shows a
//! password.
//!
//! # Clusters
//!
//! The first call asks any node which of them has which slots; later calls go
//! straight to the node that has their keys, over one connection to each. When
//! slots move, or a replica takes the place of a dead master, the nodes say so
//! and the call follows: what a node sends away it has not executed, so nothing
//! is applied twice. A call waits for a slot that nobody serves at the moment
//! until its deadline.
//!
//! - The keys of one command, script or transaction must be in one slot, else
//!   [`Error::CrossSlot`]. A hash tag in common puts them there: keys are placed
//!   by what stands in their first braces, as `user:1` in `{user:1}:visits`.
//! - A pipeline may use any keys. Its parts go to their nodes side by side, so
//!   order holds only among the commands for one slot, and while that slot
//!   moves, not between commands of several keys and others.
//! - Commands without keys (`SCAN`, `DBSIZE`, `SCRIPT`, …) go to one master,
//!   the one with the lowest slots.
//! - Reads go to masters as well: a replica may answer what was true before.
//! - The login must be allowed `CLUSTER SLOTS`.
//!
//! # Sentinels
//!
//! Each new connection goes where a sentinel says the master is, once the
//! server there agrees. A call whose master dies, or is found to be a replica
//! now, waits for the next one until its deadline, unless it may have been
//! applied already. The login must be allowed `ROLE`.
//!
//! Here and in clusters, replicas follow their master a moment later, so that
//! what it acknowledged last can be lost with it. No client can change that;
//! the server's `min-replicas-to-write` bounds it.

mod db;
mod env;
mod error;
mod options;
mod script;
#[cfg(feature = "redis")]
mod source;
mod terms;
mod transport;
mod url;

pub use db::Db;
pub use env::{ca_file_from_env, url_from_env};
pub use error::Error;
pub use options::Options;
pub use script::{Invocation, Script};
#[cfg(feature = "redis")]
pub use source::Refresh;
pub use tuckbox_resp::{Arg, Command, CommandBuilder, ErrorReply, Reply, Unexpected, cmd};
pub use url::UrlError;
