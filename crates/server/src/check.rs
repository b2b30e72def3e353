//! `tuckbox check`: is everything in a data directory as it was written?

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use lexopt::{Arg, Parser};
use tuckbox_engine::check::{check, check_store_apart};

use crate::cli::{BoxError, Subcommand, Usage, print, print_error};

/// The directory could not be checked at all; the code of fsck(8) for that.
const NOT_CHECKED: u8 = 8;

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "check",
    summary: "Check a data directory that no server has open",
    help: HELP,
    run,
};

const HELP: &str = "\
Usage: tuckbox check [--repair] <directory>

Reads the whole log and the whole store of a data directory, compares all
checksums, decodes all values, and says what is wrong and where. A server must
not have it open. Without --repair not a byte of them is changed.

  --repair    Put right what can be put right without losing anything: cut off
              the end of the log that a crash has torn, which was never
              acknowledged, and make the index of expiry times anew

Exit codes, as of fsck:
  0  nothing is wrong
  1  what was wrong is repaired
  4  something is wrong
  8  it could not be checked: no such directory, or it is in use
";

/// What the command line asks for.
#[derive(Debug, Default)]
struct Wanted {
    dir: Option<PathBuf>,
    repair: bool,
    /// The store alone, for the process that started this one.
    apart: bool,
}

fn run(parser: Parser) -> Result<ExitCode, BoxError> {
    let wanted = wanted(parser)?;
    let dir = wanted.dir.ok_or_else(|| Usage("check needs a directory".to_owned()))?;
    if wanted.apart {
        check_store_apart(&dir, wanted.repair)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut apart = Command::new(env::current_exe()?);
    apart.args(["check", APART]).args(wanted.repair.then_some("--repair")).arg("--").arg(&dir);
    match check(&dir, wanted.repair, Some(&mut apart)) {
        Ok(report) => {
            print(&report.to_string())?;
            Ok(ExitCode::from(report.exit_code()))
        }
        Err(error) => {
            print_error(&format!("tuckbox: {error}\n"));
            Ok(ExitCode::from(NOT_CHECKED))
        }
    }
}

/// Of no use to people: see [`check_store_apart`].
const APART: &str = "--store-apart";

fn wanted(mut parser: Parser) -> Result<Wanted, BoxError> {
    let mut wanted = Wanted::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("repair") => wanted.repair = true,
            Arg::Long("store-apart") => wanted.apart = true,
            Arg::Value(dir) if wanted.dir.is_none() => wanted.dir = Some(dir.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(wanted)
}
