//! Checking a data directory that no engine has open: is everything there that
//! was written, and is it what was written?
//!
//! The log is read by the code that recovers it: every header, every checksum,
//! the order of positions; and every frame is decoded and must hold writes that
//! this version knows. Of the store every page of the tree is visited, and every
//! record's checksums are compared and its value decoded. Keys and items must lie
//! where they are looked for, the expiry index must agree with the records, parts
//! of large values with the records they belong to, both in what they are and in
//! the number of items, and the number of keys with what the database remembers.
//!
//! What is repaired, and only on request, loses nothing: the torn end that a crash
//! can leave of the log was never acknowledged, and the expiry index follows from
//! the records. Everything else is for a backup.

mod apart;
mod report;
mod store;
mod values;

use std::path::{Path, PathBuf};
use std::process::Command;

use tuckbox_resp::table::{self, Flags};

use crate::{
    LogError, commands,
    database::LOGICAL,
    directory::DirectoryLock,
    effects::Frame,
    error::OpenError,
    log::{self, Log, LogOptions},
    options::Durability,
};

pub use apart::check_store_apart;
pub use report::{Finding, LogFigures, Report, Severity, StoreFigures};
#[cfg(fuzzing)]
pub(crate) use values::decode;

/// Why a directory could not be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It is not there, or holds neither a log nor a store.
    #[error("{} is not a data directory: it has neither a log nor a store", path.display())]
    NotData {
        /// The directory.
        path: PathBuf,
    },
    /// An engine has it open, or it cannot be read.
    #[error(transparent)]
    Directory(#[from] OpenError),
    /// The process for the store could not be started.
    #[error("the check of the store could not be started: {0}")]
    Process(#[source] std::io::Error),
}

/// Checks the data directory `dir`, and repairs what is safe to repair if
/// `repair` says so. Without that not a byte of log and store is changed.
///
/// A damaged store can end the process that reads it, however carefully. With
/// `apart`, a command that starts a process which calls [`check_store_apart`] on
/// the same directory, that happens elsewhere and is reported as what it is.
///
/// Takes as long as reading all files once, and little memory: that of the
/// largest record twice, and some 80 bytes for each value in parts.
///
/// # Errors
/// When there is nothing to check, or an engine has it open. What is wrong with
/// the files is in the report.
pub fn check(dir: &Path, repair: bool, apart: Option<&mut Command>) -> Result<Report, CheckError> {
    if !dir.join("log").is_dir() && !dir.join("store").is_dir() {
        return Err(CheckError::NotData { path: dir.to_owned() });
    }
    let _lock = DirectoryLock::take(dir)?;
    let mut report = Report { directory: dir.to_owned(), ..Report::default() };
    match apart {
        Some(command) => apart::check(dir, command, &mut report).map_err(CheckError::Process)?,
        None => store::check(dir, repair, &mut report),
    }
    check_log(dir, repair, &mut report);
    Ok(report)
}

fn check_log(dir: &Path, repair: bool, report: &mut Report) {
    let directory = dir.join("log");
    if !directory.is_dir() {
        let after = report.store.map_or(0, |store| store.position);
        // Before its first write an engine makes the store, then the log.
        let severity = if after == 0 { Severity::Note } else { Severity::Damage };
        return report.add(severity, format!("{} is not there", directory.display()));
    }
    let store_is_new = report.store.is_none() && report.severity() < Severity::Repairable;
    let after = report.store.map(|store| store.position).or(store_is_new.then_some(0));
    if after.is_none() {
        report.add(
            Severity::Note,
            "the log is read from its oldest file on, since the store does not say which part is needed",
        );
    }
    let mut unreadable = Unreadable::default();
    let contents = log::check(&directory, after, |frame| {
        if let Err(problem) = read(frame.bytes) {
            unreadable.first.get_or_insert((frame.position, problem));
            unreadable.count += 1;
        }
    });
    let contents = match contents {
        Ok(contents) => contents,
        Err(error) => return report.add(Severity::Damage, error.to_string()),
    };
    report.log = Some(LogFigures {
        segments: contents.segments as u64,
        frames: contents.frames,
        bytes: contents.bytes,
        last: contents.last,
        closed: contents.closed,
    });
    if let Unreadable { count, first: Some((position, problem)) } = unreadable {
        report.add(
            Severity::Damage,
            format!(
                "{}: {count} frames cannot be replayed, the first at position {position}: {problem}",
                directory.display()
            ),
        );
    }
    if let Some(cut) = &contents.cut {
        let what = format!(
            "{}: {} bytes at {} are the torn end of a write that was never acknowledged",
            cut.file.display(),
            cut.bytes,
            cut.offset
        );
        // Files that the store does not need are given up by that: not while it
        // is in doubt what it needs.
        let after = after.filter(|_| repair && report.severity() < Severity::Repairable);
        match after.map(|after| cut_off(&directory, after)) {
            None => report.add(Severity::Note, format!("{what}; the next opening cuts it off")),
            Some(Ok(())) => report.add(Severity::Repaired, what),
            Some(Err(error)) => {
                report.add(Severity::Repairable, format!("{what}; not repaired: {error}"));
            }
        }
    }
}

/// Frames that opening would not understand.
#[derive(Default)]
struct Unreadable {
    count: u64,
    /// Position of the first one, and what is wrong with it.
    first: Option<(u64, &'static str)>,
}

/// Whether a frame could be replayed, as far as can be told without doing it;
/// the error says why not.
pub(crate) fn read(frame: &[u8]) -> Result<(), &'static str> {
    let frame = Frame::decode(frame).ok_or("it cannot be decoded")?;
    if frame.database != 0 {
        return Err("it is of another database");
    }
    for (db, command) in &frame.effects {
        if *db >= LOGICAL {
            return Err("it is of a logical database that does not exist");
        }
        let known =
            table::lookup(command.name()).filter(|spec| commands::handler(spec).is_some()).ok_or(
                "it holds a command that this version does not know: use the one that wrote it",
            )?;
        if !known.flags.contains(Flags::WRITE) || !known.arity_ok(command.len()) {
            return Err("it holds a command that no engine would have written");
        }
    }
    Ok(())
}

/// Does what opening does with a torn end; the store has everything up to `after`.
fn cut_off(directory: &Path, after: u64) -> Result<(), LogError> {
    let recovery = Log::open(directory, after, LogOptions::new(Durability::Always, 0))?;
    let (log, _) = recovery.start()?;
    log.close()
}

#[cfg(test)]
mod tests;
