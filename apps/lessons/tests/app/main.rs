//! The app as its users meet it: over HTTP, on every store, as a process.
//! Without redis-server installed, what needs one is skipped, unless
//! `TUCKBOX_REQUIRE_REDIS=1` is set.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod browser;
mod cookies;
mod costs;
mod fake_store;
mod harness;
mod names;
mod page;
mod process;
mod round_trips;
mod stores;
mod trouble;
mod tutorial;
