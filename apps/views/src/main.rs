//! The view counter as a local server or in a container: `cargo run --release --bin views`, then open
//! <http://localhost:3000>.

use std::process::ExitCode;

fn main() -> ExitCode {
    tuckbox_serve::local::run(views::open)
}
