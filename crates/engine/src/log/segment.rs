//! One file of the log: its name, its header, and writing to its end.
//!
//! The first 4096 bytes of a segment:
//!
//! ```text
//!  0  magic       "TUCKBLOG"
//!  8  version     u32  1
//! 12  crc         u32  CRC-32 (IEEE) of bytes 16..48
//! 16  identity    u64  random, the same in the whole log
//! 24  number      u64  as in the file's name
//! 32  generation  u64  in force where this segment starts
//! 40  first       u64  position of its first frame
//! 48  zeros, then the first batch at 64
//! ```
//!
//! A segment is called `<number as 16 hexadecimal digits>.log`. A spare, kept to
//! be written over, is called `.spare`: it gets its new header and a sync before
//! it gets the new name, so a `.log` file without a valid header is damaged. A
//! segment is synced whole before the next one gets its name: only the last one
//! can have a torn tail.

use super::Position;
use super::batch::{HEADER_BYTES, put, u32_at, u64_at};
use super::disk::{Disk, DiskFile, write_all};
use super::error::DiskFailure;

/// Where the first batch starts.
pub(crate) const FIRST_BATCH: u64 = 64;

/// Writes end at a multiple of this.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// A growing segment is extended by what it already has, within these bounds:
/// an empty log stays small, a busy one rarely stops to fill in zeros.
const GROWTH_BYTES: std::ops::RangeInclusive<u64> = 64 * 1024..=1024 * 1024;

const MAGIC: &[u8; 8] = b"TUCKBLOG";
const VERSION: u32 = 1;
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The file of segment `number`.
pub(crate) fn log_name(number: u64) -> String {
    format!("{number:016x}.log")
}

/// The file of spare `number`.
pub(crate) fn spare_name(number: u64) -> String {
    format!("{number:016x}.spare")
}

/// The number in `name` when it is a file's of this kind (".log", ".spare").
pub(crate) fn number_in(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_suffix(extension)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (format!("{number:016x}") == digits).then_some(number)
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) identity: u64,
    pub(crate) number: u64,
    pub(crate) generation: u64,
    pub(crate) first: Position,
}

impl SegmentHeader {
    /// The first page of the file.
    fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE_BYTES as usize];
        put(&mut page, 0, MAGIC);
        put(&mut page, 8, &VERSION.to_le_bytes());
        put(&mut page, 16, &self.identity.to_le_bytes());
        put(&mut page, 24, &self.number.to_le_bytes());
        put(&mut page, 32, &self.generation.to_le_bytes());
        put(&mut page, 40, &self.first.to_le_bytes());
        let crc = crc32fast::hash(page.get(16..48).unwrap_or_default());
        put(&mut page, 12, &crc.to_le_bytes());
        page
    }

    /// # Errors
    /// What is wrong with the file, to follow its name in a sentence.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "is too short for a segment of the log";
        if bytes.get(..8).ok_or(SHORT)? != MAGIC {
            return Err("does not start like a segment of the log");
        }
        if u32_at(bytes, 8) != Some(VERSION) {
            return Err("has a format this version of Tuckbox does not know");
        }
        let checked = bytes.get(16..48).ok_or(SHORT)?;
        if u32_at(bytes, 12) != Some(crc32fast::hash(checked)) {
            return Err("has a header that does not match its checksum");
        }
        let number = |offset| u64_at(bytes, offset).ok_or(SHORT);
        let header = Self {
            identity: number(16)?,
            number: number(24)?,
            generation: number(32)?,
            first: number(40)?,
        };
        if header.first == 0 { Err("claims a position before the first") } else { Ok(header) }
    }
}

/// The segment being written.
pub(crate) struct Active {
    disk_path: std::path::PathBuf,
    file: Box<dyn DiskFile>,
    number: u64,
    /// End of the last batch.
    end: u64,
    /// Bytes reserved and filled, by zeros or by an earlier life of the file.
    prepared: u64,
}

impl Active {
    /// Makes the segment described by `header` out of `spare`, or of a new file
    /// when there is none. Nothing is changed in the log when this fails.
    pub(crate) fn create(
        disk: &dyn Disk,
        header: &SegmentHeader,
        spare: Option<u64>,
    ) -> Result<Self, DiskFailure> {
        let name = log_name(header.number);
        let path = disk.path(&name);
        let old_name = spare_name(spare.unwrap_or(header.number));
        let old_path = || disk.path(&old_name);
        let file = match spare {
            Some(_) => disk.open(&old_name),
            None => disk.create(&old_name),
        }
        .map_err(DiskFailure::new("open a file for a new segment", old_path()))?;
        let prepared =
            file.len().map_err(DiskFailure::new("measure a spare segment", old_path()))?;
        let mut active =
            Self { disk_path: old_path(), file, number: header.number, end: FIRST_BATCH, prepared };
        active.reserve(PAGE_BYTES - FIRST_BATCH - HEADER_BYTES as u64)?;
        write_all(&*active.file, &header.encode(), 0)
            .map_err(DiskFailure::new("write the header of a segment", old_path()))?;
        active.sync()?;
        disk.rename(&old_name, &name)
            .map_err(DiskFailure::new("name a new segment", path.clone()))?;
        // It has its name by now, and would not be found under the old one.
        let synced = disk.sync_dir();
        synced.map_err(|cause| {
            DiskFailure::new("sync the log's directory", path.clone())(cause).lasting()
        })?;
        active.disk_path = path;
        Ok(active)
    }

    /// Goes on behind `end`, where the last valid batch of a segment ends.
    pub(crate) fn resume(
        disk: &dyn Disk,
        number: u64,
        file: Box<dyn DiskFile>,
        end: u64,
    ) -> Result<Self, DiskFailure> {
        let disk_path = disk.path(&log_name(number));
        let prepared = file
            .len()
            .map_err(DiskFailure::new("measure the log's last segment", disk_path.clone()))?;
        Ok(Self { disk_path, file, number, end, prepared })
    }

    /// Number of the segment.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of the file that are in use.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.prepared
    }

    /// Whether a batch of `bytes` still belongs here. An empty segment takes
    /// any, so that a batch longer than a segment finds a place.
    pub(crate) fn takes(&self, bytes: u64, segment_bytes: u64) -> bool {
        self.end == FIRST_BATCH || self.padded_end(bytes) <= segment_bytes
    }

    /// Makes sure that writing a batch of `bytes` needs no more space.
    ///
    /// The space is filled with zeros because syncing a write over blocks that
    /// were written before takes half the time of one into reserved blocks: the
    /// file system has nothing of its own to write.
    pub(crate) fn reserve(&mut self, bytes: u64) -> Result<(), DiskFailure> {
        let needed = self.padded_end(bytes);
        while self.prepared < needed {
            let step = self.prepared.clamp(*GROWTH_BYTES.start(), *GROWTH_BYTES.end());
            self.file.allocate(self.prepared, step).map_err(self.failure("extend a segment"))?;
            let grown = self.prepared + step;
            while self.prepared < grown {
                let chunk = (grown - self.prepared).min(ZEROS.len() as u64);
                let zeros = ZEROS.get(..chunk as usize).unwrap_or(&ZEROS);
                write_all(&*self.file, zeros, self.prepared)
                    .map_err(self.failure("fill a segment with zeros"))?;
                self.prepared += chunk;
            }
        }
        Ok(())
    }

    /// Writes a sealed batch to the end, in one piece. Leaves `batch` longer.
    pub(crate) fn write(&mut self, batch: &mut Vec<u8>) -> Result<(), DiskFailure> {
        let bytes = batch.len() as u64;
        batch.resize((self.padded_end(bytes) - self.end) as usize, 0);
        write_all(&*self.file, batch, self.end).map_err(self.failure("write a batch"))?;
        self.end += bytes;
        Ok(())
    }

    /// Writes the bytes from `start` to the end once more, as they are.
    ///
    /// After a failed sync the kernel can hold data that it believes written
    /// while the disk never got it; a later sync would skip it. Written again
    /// it is certain to be part of the next sync.
    pub(crate) fn rewrite_from(&self, mut start: u64) -> Result<(), DiskFailure> {
        let mut chunk = vec![0; ZEROS.len()];
        while start < self.end {
            let length = (self.end - start).min(chunk.len() as u64) as usize;
            let part = chunk.get_mut(..length).unwrap_or_default();
            super::disk::read_full(&*self.file, part, start)
                .map_err(self.failure("read the log's tail"))?;
            write_all(&*self.file, part, start)
                .map_err(self.failure("write the log's tail again"))?;
            start += length as u64;
        }
        Ok(())
    }

    /// Makes everything written to this segment survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), DiskFailure> {
        self.file.sync_data().map_err(self.failure("sync a batch"))
    }

    /// Where the write of a batch of `bytes` ends: it leaves room for one blank
    /// header and fills the page.
    fn padded_end(&self, bytes: u64) -> u64 {
        (self.end + bytes + HEADER_BYTES as u64).next_multiple_of(PAGE_BYTES)
    }

    fn failure(&self, doing: &'static str) -> impl FnOnce(std::io::Error) -> DiskFailure {
        DiskFailure::new(doing, self.disk_path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_round_trip_and_no_bit_flip() {
        let header = SegmentHeader { identity: 1, number: 2, generation: 3, first: 4 };
        let page = header.encode();
        assert_eq!(page.len() as u64, PAGE_BYTES);
        assert_eq!(SegmentHeader::decode(&page), Ok(header));
        for bit in 0..48 * 8 {
            let mut damaged = page.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&damaged).is_err(), "bit {bit}");
        }
        assert!(SegmentHeader::decode(&page[..47]).is_err());
    }

    #[test]
    fn only_the_logs_own_names_are_read_as_numbers() {
        assert_eq!(number_in(&log_name(255), ".log"), Some(255));
        assert_eq!(number_in(&spare_name(255), ".log"), None);
        assert_eq!(number_in("00ff.log", ".log"), None);
        assert_eq!(number_in("+0000000000000ff.log", ".log"), None);
        assert_eq!(number_in("00000000000000FF.log", ".log"), None);
    }
}
