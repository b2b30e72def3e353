//! The session layer on servers that are one database: a cluster of three real
//! nodes, and a master that sentinels replace. All on loopback.
//!
//! Without redis-server installed nothing is tested, unless
//! `TUCKBOX_REQUIRE_REDIS=1` is set.

// The futures of a test on a cluster are deep: a call within rounds within tasks.
#![recursion_limit = "256"]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod nodes;
mod sentinel;
mod visits;
