//! The check of the store in a process of its own.
//!
//! A damaged tree can end the process that reads it: LMDB trusts its pages. So
//! the process that checks starts another one for that, reads what it tells, line
//! by line, and survives it.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::report::{Report, Severity, StoreFigures};
use super::store;

const END: &str = "end";

/// The other process' part: checks the store in the data directory `dir`, and
/// tells the one that waits by the standard output. Used by a program that gave
/// [`check`](super::check) a command that comes here.
///
/// # Errors
/// When the output cannot be written.
pub fn check_store_apart(dir: &Path, repair: bool) -> io::Result<()> {
    let mut report = Report::default();
    store::check(dir, repair, &mut report);
    let mut out = io::stdout().lock();
    if let Some(StoreFigures { keys, expiring, values, parts, position }) = report.store {
        writeln!(out, "store {keys} {expiring} {values} {parts} {position}")?;
    }
    for finding in &report.findings {
        // A line each, whatever is in a path.
        writeln!(out, "{} {}", finding.severity.name(), finding.text.replace('\n', " "))?;
    }
    writeln!(out, "{END}")?;
    out.flush()
}

/// Has `command` check the store in `dir`.
pub(super) fn check(dir: &Path, command: &mut Command, report: &mut Report) -> io::Result<()> {
    let output =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let mut complete = false;
    for line in told.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let severity = Severity::ALL.into_iter().find(|severity| severity.name() == word);
        match (word, severity) {
            (END, _) => complete = true,
            ("store", _) => report.store = figures(rest),
            (_, Some(severity)) => report.add(severity, rest),
            _ => {}
        }
    }
    if !complete {
        report.add(
            Severity::Damage,
            format!(
                "{}: the tree of the store is damaged; reading it ended the process that did ({})",
                dir.join("store/data.mdb").display(),
                output.status
            ),
        );
    }
    Ok(())
}

fn figures(text: &str) -> Option<StoreFigures> {
    let mut numbers = text.split(' ').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(StoreFigures {
        keys: next()?,
        expiring: next()?,
        values: next()?,
        parts: next()?,
        position: next()?,
    })
}
