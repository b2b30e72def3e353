//! The session layer as clients meet it: the example `conformance` as a program,
//! over HTTP, on every store, among parallel requests and failing stores.
//!
//! The example is a part of this test, which starts itself as that program: so
//! there is nothing to be built before.
//!
//! Another server with the example's routes can be looked at the same way. This
//! prints a table, and fails nothing:
//!
//! ```sh
//! CONFORMANCE_URL=http://127.0.0.1:3000 \
//!     cargo test -p tuckbox-sessions --test kit -- --ignored --nocapture another_server
//! ```
//!
//! Without redis-server installed, what needs one is skipped, unless
//! `TUCKBOX_REQUIRE_REDIS=1` is set.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and says what it skips and measures"
)]

mod client;
#[path = "../../examples/conformance.rs"]
mod conformance;
mod cookies;
mod costs;
mod faults;
mod other;
mod program;
mod proxy;
mod race;
mod races;
mod storms;
