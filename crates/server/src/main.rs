//! The program `tuckbox`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tuckbox_server::main()
}
