//! The view counter as an AWS Lambda function.

use std::process::ExitCode;

fn main() -> ExitCode {
    tuckbox_serve::lambda::run(views::open)
}
