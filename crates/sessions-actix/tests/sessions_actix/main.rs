//! The middleware as its users meet it: behind a server's socket, on real stores.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails, and says what it skips"
)]

mod app;
mod browser;
mod cookies;
mod errors;
mod races;
mod redis_server;
mod requests;
mod save;
mod trouble;
