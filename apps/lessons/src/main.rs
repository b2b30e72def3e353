//! The lessons app as a local server or in a container: `cargo run --release`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tuckbox_serve::local::run(lessons::open)
}
