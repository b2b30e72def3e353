//! The session layer on servers that are one database: a cluster of three real
//! nodes, and a master that sentinels replace. All on loopback.
//!
//! Without redis-server installed nothing is tested, unless
//! `TUCKBOX_REQUIRE_REDIS=1` is set.

// The futures of a test on a cluster are deep: a call within rounds within tasks.
#![recursion_limit = "256"]
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and says what it skips"
)]

mod nodes;
mod sentinel;
#[expect(dead_code, reason = "the client's tests need more of it")]
#[path = "../../../tuckbox/tests/client/support/cluster.rs"]
mod servers;
mod visits;
