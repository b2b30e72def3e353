//! The middleware as its users meet it: behind a server's socket, on real stores.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod browser;
mod cookies;
mod errors;
mod races;
mod redis_server;
mod requests;
mod save;
mod trouble;
