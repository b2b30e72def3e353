//! The example `function` as a process, under a runtime interface that the tests play.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test fails the test"
)]

mod concurrency;
mod end;
mod events;
mod function;
mod http;
mod log;
mod responses;
mod runtime;
