//! What a check found, in numbers and in words.

use std::fmt;
use std::path::PathBuf;

/// How much something that was found matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be, or put right by the next opening.
    Note,
    /// It was wrong, and is right now.
    Repaired,
    /// It is wrong, and can be put right without losing anything.
    Repairable,
    /// Something is lost, or may be.
    Damage,
}

impl Severity {
    pub(crate) const ALL: [Self; 4] = [Self::Note, Self::Repaired, Self::Repairable, Self::Damage];

    /// The word before a finding.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Repaired => "repaired",
            Self::Repairable => "repairable",
            Self::Damage => "damage",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A sentence, with the place. Names no keys and shows no values.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity.name(), self.text)
    }
}

/// What [`check`](super::check) found in a data directory.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The data directory.
    pub directory: PathBuf,
    /// The log, as far as it could be read.
    pub log: Option<LogFigures>,
    /// The store, as far as it could be read.
    pub store: Option<StoreFigures>,
    /// What is worth saying, in the order in which it was met.
    pub findings: Vec<Finding>,
}

/// What the log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFigures {
    /// Files that are needed.
    pub segments: u64,
    /// Frames behind the checkpoint: what opening replays.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Position of the last one, or of the checkpoint.
    pub last: u64,
    /// Whether the engine was closed, and not killed.
    pub closed: bool,
}

/// What the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreFigures {
    /// Keys of all logical databases.
    pub keys: u64,
    /// Those of them that expire.
    pub expiring: u64,
    /// Those of them whose values are so large that they are kept in parts.
    pub values: u64,
    /// Parts of these values.
    pub parts: u64,
    /// The position of the log that it stands for.
    pub position: u64,
}

impl Report {
    pub(crate) fn add(&mut self, severity: Severity, text: impl Into<String>) {
        self.findings.push(Finding { severity, text: text.into() });
    }

    /// The worst that was found.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Note)
    }

    /// The exit code of a program that checks, as in fsck(8): 0 when nothing is
    /// wrong, 1 when everything that was wrong is repaired, 4 when something is
    /// left.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.severity() {
            Severity::Note => 0,
            Severity::Repaired => 1,
            Severity::Repairable | Severity::Damage => 4,
        }
    }
}

/// For a terminal: the figures, the findings, the verdict.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(store) = &self.store {
            let StoreFigures { keys, expiring, values, parts, position } = store;
            writeln!(
                f,
                "store: {keys} keys, {expiring} of them expire, {values} large values in {parts} parts, \
                 as of position {position}"
            )?;
        }
        if let Some(log) = &self.log {
            let LogFigures { segments, frames, bytes, last, closed } = log;
            let end = if *closed { "closed in order" } else { "not closed" };
            writeln!(
                f,
                "log: {segments} files, {frames} frames of {bytes} bytes behind the store, up to position \
                 {last}, {end}"
            )?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let directory = self.directory.display();
        match self.severity() {
            Severity::Note => writeln!(f, "{directory} is whole"),
            Severity::Repaired => writeln!(f, "{directory} is whole again"),
            Severity::Repairable => {
                writeln!(f, "{directory} can be repaired without a loss: use --repair")
            }
            Severity::Damage => writeln!(
                f,
                "{directory} is damaged: copy it aside, check the disk, and restore a backup"
            ),
        }
    }
}
