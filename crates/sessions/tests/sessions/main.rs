//! The session layer as its users meet it: through a service, on real stores.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails, and says what it skips"
)]

mod app;
mod cookies;
mod costs;
mod lifetime;
mod login;
mod races;
mod redis_server;
mod save;
mod trouble;
mod values;
