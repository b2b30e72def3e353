//! The server from outside: over TCP, and as a process.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test fails the test"
)]

mod cloud_run;
mod connections;
mod harness;
mod health;
mod logging;
mod process;
mod requests;
mod shutdown;
