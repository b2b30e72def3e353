//! The session layer as its users meet it: through a service, on real stores.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails, and says what it skips"
)]

mod app;
mod atomic;
mod cookies;
mod costs;
mod devices;
mod express_scripts;
mod guide;
mod lifetime;
mod limit;
mod login;
mod promises;
mod races;
mod redis_server;
mod renewal;
mod save;
mod tries;
mod trouble;
mod values;
