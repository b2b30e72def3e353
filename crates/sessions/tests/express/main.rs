//! An Express service and ours behind one cookie jar and one Redis: each sees
//! what the other did to the session.
//!
//! The Express service is in `tests/express` at the root of the repository; it
//! needs Node.js and `npm ci` there. Where that, or redis-server, is missing,
//! these tests are skipped, unless `TUCKBOX_REQUIRE_EXPRESS=1` is set.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and says what it skips"
)]

mod cookies;
mod costs;
mod ends;
mod jar;
mod lifetime;
mod ours;
mod races;
#[path = "../sessions/redis_server.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod redis_server;
mod services;
mod shared;
mod values;
mod weaker;
