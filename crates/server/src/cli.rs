//! The command line of the program `tuckbox`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use lexopt::{Arg, Parser};

use crate::{check, serve};

/// What can go wrong in a program's `main`.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One of the program's subcommands.
pub(crate) struct Subcommand {
    /// The word it is called by.
    pub(crate) name: &'static str,
    /// What it does, in a line of the program's help.
    pub(crate) summary: &'static str,
    /// What `--help` prints.
    pub(crate) help: &'static str,
    /// Runs it with what follows its name.
    pub(crate) run: fn(Parser) -> Result<ExitCode, BoxError>,
}

/// All of them, as the help lists them.
const SUBCOMMANDS: &[Subcommand] = &[serve::SUBCOMMAND, check::SUBCOMMAND];

/// The whole of the program's `main`: runs the subcommand that the command line
/// names. An error is printed, and gives the exit code 1; a wrong command line
/// gives 2.
#[must_use]
pub fn main() -> ExitCode {
    match run(Parser::from_env()) {
        Ok(code) => code,
        Err(error) => {
            let wrong = error.is::<lexopt::Error>() || error.is::<Usage>();
            print_error(&format!("tuckbox: {error}\n"));
            ExitCode::from(if wrong { 2 } else { 1 })
        }
    }
}

/// A command line that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

fn run(mut parser: Parser) -> Result<ExitCode, BoxError> {
    match parser.next()? {
        Some(Arg::Short('h') | Arg::Long("help")) => {
            print(&help())?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Arg::Short('V') | Arg::Long("version")) => {
            print(&format!("tuckbox {}\n", env!("CARGO_PKG_VERSION")))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Arg::Value(name)) => {
            let called = |subcommand: &&Subcommand| name == subcommand.name;
            let Some(subcommand) = SUBCOMMANDS.iter().find(called) else {
                let name = name.to_string_lossy();
                let problem = format!("there is no subcommand {name}; tuckbox --help lists them");
                return Err(Usage(problem).into());
            };
            if asks_for_help(&parser) {
                print(subcommand.help)?;
                return Ok(ExitCode::SUCCESS);
            }
            (subcommand.run)(parser)
        }
        Some(other) => Err(other.unexpected().into()),
        None => {
            print_error(&help());
            Ok(ExitCode::from(2))
        }
    }
}

/// Whether `--help` stands anywhere: then nothing else counts.
fn asks_for_help(parser: &Parser) -> bool {
    let mut parser = parser.clone();
    let raw = parser.raw_args();
    raw.is_ok_and(|mut args| args.any(|arg| arg == "--help" || arg == "-h"))
}

fn help() -> String {
    let mut text = String::from("Usage: tuckbox <subcommand> [options]\n\nSubcommands:\n");
    for Subcommand { name, summary, .. } in SUBCOMMANDS {
        text.push_str(&format!("  {name:<10} {summary}\n"));
    }
    text.push_str("\n  -h, --help     Print this, or the help of a subcommand\n");
    text.push_str("  -V, --version  Print the version\n");
    text
}

/// Writes to the standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

pub(crate) fn print_error(text: &str) {
    // Nothing is left to be told if this fails.
    _ = io::stderr().write_all(text.as_bytes());
}
