//! The program as browsers meet it: over HTTP, on every store. Without redis-server installed, what
//! needs one is skipped, unless `TUCKBOX_REQUIRE_REDIS=1` is set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod costs;
mod counts;
mod health;
mod program;
mod settings;
