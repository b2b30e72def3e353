//! Real Redis servers on loopback, for the tests of the other crates.
//!
//! A server belongs to one test, listens on a free port, keeps its files in a
//! directory of its own and ends with its value. Where redis-server is not
//! installed a test says that it is skipped; with `TUCKBOX_REQUIRE_REDIS=1`, as
//! `make test` sets it, it fails instead.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and says what it skips"
)]

mod cluster;
mod connection;
mod monitor;
mod process;
mod server;

use std::time::Duration;

pub use self::{
    cluster::{Node, RedisCluster},
    connection::{Answer, Connection},
    monitor::Monitor,
    process::{free_port, is_installed, spawn, until},
    server::{RedisServer, ask, until_in_step},
};

/// Nothing here takes nearly as long, even on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);
