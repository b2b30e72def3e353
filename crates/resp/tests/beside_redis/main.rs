//! Tuckbox' words beside those of a real server.
//!
//! Each test starts a `redis-server` (version 7) of its own on a free loopback
//! port. Where none is installed the test says so and passes.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what a test helper cannot do fails its test"
)]

mod peer;
mod replies;
mod requests;
mod table;
