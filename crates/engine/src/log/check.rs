//! Reading a whole log without changing it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::error::LogError;
use super::recovery::{Cut, Frame, Recovery};
use super::segment::{PAGE_BYTES, SegmentHeader, number_in};
use super::{Durability, LogOptions, Position};

/// What a log holds.
#[derive(Clone, Debug)]
pub(crate) struct LogContents {
    /// Files with frames behind the checkpoint, or the newest one.
    pub(crate) segments: usize,
    /// Frames behind the checkpoint.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Position of the last frame, or of the checkpoint.
    pub(crate) last: Position,
    /// Whether its last words are that it was closed.
    pub(crate) closed: bool,
    pub(crate) cut: Option<Cut>,
}

/// Reads what opening would read of the log in `directory`, by the very code that
/// recovers it, and shows every frame behind `after` to `look`. Without `after`
/// it begins with the oldest file.
///
/// # Errors
/// As opening: what is damaged, and where.
pub(crate) fn check(
    directory: &Path,
    after: Option<Position>,
    mut look: impl FnMut(Frame<'_>),
) -> Result<LogContents, LogError> {
    let disk = ToRead { path: directory.to_owned() };
    let after = match after {
        Some(after) => after,
        None => disk.oldest().unwrap_or(0),
    };
    // Nothing is made, so the identity of a new log does not matter.
    let options = LogOptions::new(Durability::Always, 0);
    let mut recovery = Recovery::on(Arc::new(disk), after, options)?;
    let (mut frames, mut bytes, mut last) = (0, 0, after);
    while let Some(frame) = recovery.next()? {
        frames += 1;
        bytes += frame.bytes.len() as u64;
        last = frame.position;
        look(frame);
    }
    let (segments, closed) = (recovery.read.len(), recovery.was_closed());
    Ok(LogContents { segments, frames, bytes, last, closed, cut: recovery.cut })
}

/// A directory of which nothing can be changed.
struct ToRead {
    path: PathBuf,
}

impl ToRead {
    /// The position before the first one in the oldest file.
    fn oldest(&self) -> Option<Position> {
        let names = self.list().ok()?;
        let oldest = names.iter().filter(|name| number_in(name, ".log").is_some()).min()?;
        let mut page = [0; PAGE_BYTES as usize];
        let read = super::disk::read_full(&*self.open(oldest).ok()?, &mut page, 0).ok()?;
        let header = SegmentHeader::decode(page.get(..read)?).ok()?;
        header.first.checked_sub(1)
    }
}

struct FileToRead(File);

fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for ToRead {
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn DiskFile>> {
        read_only()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FileToRead(File::open(self.path(name))?)))
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        read_only()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        read_only()
    }

    fn sync_dir(&self) -> io::Result<()> {
        read_only()
    }
}

impl DiskFile for FileToRead {
    fn len(&self) -> io::Result<u64> {
        DiskFile::len(&self.0)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        DiskFile::read_at(&self.0, buf, offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        read_only()
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        read_only()
    }

    fn sync_data(&self) -> io::Result<()> {
        read_only()
    }
}
