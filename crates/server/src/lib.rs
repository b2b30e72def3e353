//! Tuckbox as a server: a listener that speaks Redis' protocol, over one
//! [`Engine`](tuckbox_engine::Engine).
//!
//! The program is `tuckbox`; `tuckbox serve --dir data` is a Redis that keeps what
//! it has acknowledged. This library is what the program is made of, for tests
//! and benches:
//!
//! ```no_run
//! use tuckbox_engine::{Engine, Options};
//! use tuckbox_server::{Config, Server};
//!
//! let engine = Engine::in_memory(Options::default())?;
//! let mut server = Server::bind(engine, Config::default())?;
//! println!("{}", server.local_addr());
//! let stop = server.stopper();
//! // `stop.stop()` from anywhere ends it.
//! server.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # One thread
//!
//! One thread reads, executes and writes for all connections, as in Redis, and
//! the engine's log syncs on another. What a connection has sent is executed as
//! one batch; its replies leave in one write, once the last change among them is
//! durable. One sync serves all batches that wait for it, and a batch that
//! changed nothing waits for none.

mod check;
mod cli;
mod commands;
mod config;
mod counters;
mod error;
mod heard;
mod histogram;
mod host;
mod process;
mod serve;
mod server;
mod settings;
mod tally;

pub use cli::main;
pub use config::{Config, DebugFrom, Password};
pub use error::ServerError;
pub use server::{Server, Stopper};
