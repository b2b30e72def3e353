//! Reading a segment through one buffer.

use std::io;

use super::disk::{DiskFile, read_full};

/// How much is read at once when less is asked for: the more, the longer it goes
/// on. A batch that does not end in what was read is read again.
const READ_AHEAD_BYTES: std::ops::RangeInclusive<usize> = 64 * 1024..=1024 * 1024;

/// A file and the part of it that is in memory.
pub(crate) struct Window {
    file: Box<dyn DiskFile>,
    file_bytes: u64,
    start: u64,
    held: Vec<u8>,
    /// How much is read at once the next time.
    ahead: usize,
}

impl Window {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> io::Result<Self> {
        let file_bytes = file.len()?;
        Ok(Self { file, file_bytes, start: 0, held: Vec::new(), ahead: *READ_AHEAD_BYTES.start() })
    }

    /// Bytes of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Gives the file back.
    pub(crate) fn into_file(self) -> Box<dyn DiskFile> {
        self.file
    }

    /// The `bytes` at `offset`, fewer where the file ends. They are read unless
    /// they are in memory.
    pub(crate) fn at(&mut self, offset: u64, bytes: u64) -> io::Result<&[u8]> {
        let end = offset.saturating_add(bytes).min(self.file_bytes);
        let wanted = end.saturating_sub(offset) as usize;
        let held_end = self.start + self.held.len() as u64;
        if wanted > 0 && !(self.start <= offset && end <= held_end) {
            self.refill(offset, wanted)?;
        }
        let from = offset.saturating_sub(self.start) as usize;
        let held = self.held.get(from..).unwrap_or_default();
        Ok(held.get(..wanted).unwrap_or(held))
    }

    fn refill(&mut self, offset: u64, wanted: usize) -> io::Result<()> {
        let rest = self.file_bytes.saturating_sub(offset);
        let length = (wanted.max(self.ahead) as u64).min(rest) as usize;
        self.ahead = (2 * self.ahead).min(*READ_AHEAD_BYTES.end());
        // A frame far beyond the usual size does not keep its memory.
        if self.held.capacity() > 4 * length.max(*READ_AHEAD_BYTES.end()) {
            self.held = Vec::new();
        }
        self.held.resize(length, 0);
        let read = read_full(&*self.file, &mut self.held, offset)?;
        self.held.truncate(read);
        self.start = offset;
        Ok(())
    }
}
