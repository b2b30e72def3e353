//! Reading the bytes of one segment without a directory: for fuzzing, and to look
//! at a file somebody sent.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::error::LogError;
use super::recovery::{Cut, Recovery};
use super::segment::{SegmentHeader, log_name};
use super::{Durability, LogOptions, Position};

/// What a segment holds, read as if it were the last of its log.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Valid frames, and the sum of their lengths in bytes.
    pub frames: u64,
    /// See `frames`.
    pub bytes: u64,
    /// Position of the last valid frame; 0 when there is none.
    pub last: Position,
    /// A torn batch behind the last valid one.
    pub cut: Option<Cut>,
    /// Why it cannot be read to its end.
    pub damage: Option<LogError>,
}

/// Reads a segment by the very code that recovers a log.
///
/// Never panics, whatever the bytes; takes time in proportion to their number
/// unless somebody who knows the log's identity made them.
#[must_use]
pub fn inspect(segment: &[u8]) -> Inspection {
    let mut inspection = Inspection { frames: 0, bytes: 0, last: 0, cut: None, damage: None };
    if let Err(error) = read(segment, &mut inspection) {
        inspection.damage = Some(error);
    }
    inspection
}

fn read(segment: &[u8], inspection: &mut Inspection) -> Result<(), LogError> {
    let header = SegmentHeader::decode(segment)
        .map_err(|found| LogError::Segment { file: PathBuf::from("segment"), found })?;
    let disk = OneSegment { name: log_name(header.number), bytes: Arc::from(segment) };
    let options = LogOptions::new(Durability::Always, header.identity);
    let mut recovery = Recovery::on(Arc::new(disk), header.first - 1, options)?;
    while let Some(frame) = recovery.next()? {
        inspection.frames += 1;
        inspection.bytes += frame.bytes.len() as u64;
        inspection.last = frame.position;
    }
    inspection.cut = recovery.cut;
    Ok(())
}

/// A directory that holds nothing but one segment.
struct OneSegment {
    name: String,
    bytes: Arc<[u8]>,
}

struct Bytes(Arc<[u8]>);

fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for OneSegment {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(vec![self.name.clone()])
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn DiskFile>> {
        read_only()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        if name == self.name {
            Ok(Box::new(Bytes(Arc::clone(&self.bytes))))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
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

impl DiskFile for Bytes {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.0.get(start..));
        let rest = rest.unwrap_or_default();
        let length = rest.len().min(buf.len());
        buf.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(length)
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
