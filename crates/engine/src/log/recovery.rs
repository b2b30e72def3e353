//! Reading the log when it is opened: what is valid, what is torn, what is
//! damaged.
//!
//! Segments are read once, in order, and frames handed out as they are met. The
//! first batch that is not valid ends the log, provided that it was never
//! synced. That is decided by what lies behind it:
//!
//! - A later segment exists: its first position says how far this one reached,
//!   since a segment is synced before its successor is named.
//! - Behind it, in the last segment, lies a batch of the generation in force that
//!   knows positions from here on to be synced, or a batch of a later generation:
//!   a generation starts after a sync.
//!
//! In these cases the invalid batch was complete once and the log is damaged: it
//! refuses to open. Otherwise it is a torn tail, which nobody was told to be
//! durable, and is cut.
//!
//! What is left of a cut tail stays in the file, as does the earlier life of a
//! recycled one. It cannot come back: a batch counts only when its position is
//! exactly the next and its generation the one in force. Positions of an earlier
//! life are lower, generations of a cut tail are lower than that of everything
//! written after the cut.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use memchr::memmem;

use super::batch::{self, BatchHeader, HEADER_BYTES, Kind, MAX_LENGTH_BYTES};
use super::disk::Disk;
use super::error::{DiskFailure, LogError};
use super::segment::{FIRST_BATCH, PAGE_BYTES, SegmentHeader, log_name, number_in};
use super::window::Window;
use super::{LogOptions, Position};

/// Bytes that are checksummed or searched at once.
const STEP_BYTES: u64 = 128 * 1024;

/// One frame as it was appended.
///
/// It holds what clients wrote, so it has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) position: Position,
    pub(crate) bytes: &'a [u8],
}

/// A torn tail: the remains of a batch whose sync never returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The position its first frame had; it is given out again.
    pub position: Position,
    /// The segment it lies in.
    pub file: PathBuf,
    /// Where in the segment.
    pub offset: u64,
    /// Its length as far as it can be told.
    pub bytes: u64,
}

/// A log being read; see the module.
pub(crate) struct Recovery {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: LogOptions,
    pub(super) after: Position,
    pub(super) identity: u64,
    /// Segments from the one read now on; empty when the log is new.
    segments: VecDeque<SegmentHeader>,
    /// Segments that were read, in order.
    pub(super) read: Vec<SegmentHeader>,
    /// Numbers of segments before the first needed one.
    pub(super) obsolete: Vec<u64>,
    pub(super) spares: Vec<u64>,
    pub(super) window: Option<Window>,
    /// Where the next batch starts in the segment read now.
    pub(super) offset: u64,
    /// The next position.
    pub(super) next: Position,
    pub(super) generation: u64,
    /// A close batch was the last: only an open batch may follow.
    closed: bool,
    payload: Payload,
    /// Batches of this segment that are not known to be synced: offset and last
    /// position, in order.
    pub(super) unproven: VecDeque<(u64, Position)>,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) cut: Option<Cut>,
    ended: bool,
}

/// The frames of the current batch that were not handed out yet.
#[derive(Default)]
struct Payload {
    /// Where the batch starts.
    batch: u64,
    frames: u64,
    first: Position,
    start: u64,
    end: u64,
}

impl Recovery {
    /// Finds the segments that hold the positions after `after`.
    pub(crate) fn on(
        disk: Arc<dyn Disk>,
        after: Position,
        options: LogOptions,
    ) -> Result<Self, LogError> {
        let names =
            disk.list().map_err(DiskFailure::new("list the log's directory", disk.path("")))?;
        let numbers = |extension| {
            let mut found: Vec<_> =
                names.iter().filter_map(|name| number_in(name, extension)).collect();
            found.sort_unstable();
            found
        };
        let mut recovery = Self {
            after,
            identity: options.identity,
            segments: VecDeque::new(),
            read: Vec::new(),
            obsolete: numbers(".log"),
            spares: numbers(".spare"),
            window: None,
            offset: FIRST_BATCH,
            next: after.saturating_add(1),
            generation: 0,
            closed: false,
            payload: Payload::default(),
            unproven: VecDeque::new(),
            frames: 0,
            bytes: 0,
            cut: None,
            ended: false,
            disk,
            options,
        };
        recovery.find_start()?;
        if let Some(header) = recovery.segments.front().copied() {
            recovery.identity = header.identity;
            recovery.generation = header.generation;
            recovery.next = header.first;
            recovery.window = Some(recovery.open_segment(&header)?);
        }
        Ok(recovery)
    }

    /// Takes segments from the newest down to the one that holds `after + 1`.
    fn find_start(&mut self) -> Result<(), LogError> {
        while let Some(number) = self.obsolete.pop() {
            if let Some(later) = self.segments.front() {
                if later.first <= self.after.saturating_add(1) {
                    self.obsolete.push(number);
                    return Ok(());
                }
                if later.number != number + 1 {
                    break;
                }
            }
            let header = self.read_header(number)?;
            self.segments.push_front(header);
        }
        match self.segments.front() {
            Some(first) if first.first > self.after.saturating_add(1) => Err(LogError::Missing {
                directory: self.disk.path(""),
                position: self.after + 1,
                before: self.disk.path(&log_name(first.number)),
            }),
            _ => Ok(()),
        }
    }

    fn read_header(&self, number: u64) -> Result<SegmentHeader, LogError> {
        let file = self.disk.path(&log_name(number));
        let mut window = self.open_file(number)?;
        let bytes = window
            .at(0, PAGE_BYTES)
            .map_err(DiskFailure::new("read a segment's header", file.clone()))?;
        let header = SegmentHeader::decode(bytes)
            .map_err(|found| LogError::Segment { file: file.clone(), found })?;
        let foreign = self.segments.front().is_some_and(|next| next.identity != header.identity);
        if foreign {
            return Err(LogError::Segment { file, found: "belongs to another log" });
        }
        if header.number != number {
            return Err(LogError::Segment { file, found: "was renamed" });
        }
        Ok(header)
    }

    fn open_file(&self, number: u64) -> Result<Window, LogError> {
        let name = log_name(number);
        let opened = self.disk.open(&name).and_then(Window::new);
        Ok(opened.map_err(DiskFailure::new("open a segment", self.disk.path(&name)))?)
    }

    fn open_segment(&mut self, header: &SegmentHeader) -> Result<Window, LogError> {
        self.offset = FIRST_BATCH;
        self.unproven.clear();
        self.open_file(header.number)
    }

    /// The next frame after the checkpoint; `None` at the end of the log.
    ///
    /// # Errors
    /// When the log is damaged or cannot be read: it must not be used then.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, LogError> {
        let (position, start, length) = loop {
            if self.payload.frames == 0 {
                if !self.next_batch()? {
                    return Ok(None);
                }
                continue;
            }
            let (start, length) = self.next_frame()?;
            let position = self.payload.first;
            self.payload.first += 1;
            self.payload.frames -= 1;
            self.payload.start = start + length;
            if position > self.after {
                break (position, start, length);
            }
        };
        self.frames += 1;
        self.bytes += length;
        let bytes = self.bytes_at(start, length)?;
        Ok(Some(Frame { position, bytes }))
    }

    /// Whether what was read so far ends in order: by closing the log.
    pub(crate) fn was_closed(&self) -> bool {
        self.closed
    }

    /// Where the next frame of the payload lies.
    fn next_frame(&mut self) -> Result<(u64, u64), LogError> {
        let (at, end) = (self.payload.start, self.payload.end);
        let prefix = self.bytes_at(at, (end - at).min(MAX_LENGTH_BYTES as u64))?;
        let frame = batch::frame_length(prefix)
            .map(|(length, prefix_bytes)| (at + prefix_bytes, length))
            .filter(|(start, length)| start.checked_add(*length).is_some_and(|last| last <= end));
        frame.ok_or_else(|| {
            let (offset, position) = (self.payload.batch, self.payload.first);
            self.corrupt(offset, position, "holds a frame that exceeds its batch")
        })
    }

    /// Moves to the next batch, across segments; false at the end of the log.
    fn next_batch(&mut self) -> Result<bool, LogError> {
        loop {
            if self.ended || self.window.is_none() {
                return Ok(false);
            }
            let offset = self.offset;
            let accepted = match self.header_at(offset)? {
                Some((header, crc)) if self.follows(&header) => {
                    self.checksum_matches(offset, &header, crc)?.then_some(header)
                }
                _ => None,
            };
            match accepted {
                Some(header) => {
                    self.accept(&header);
                    return Ok(true);
                }
                None if self.segments.len() > 1 => self.next_segment()?,
                None => self.end_of_log()?,
            }
        }
    }

    /// Whether a batch can be the next one; its checksum is not looked at.
    fn follows(&self, header: &BatchHeader) -> bool {
        header.first == self.next
            && match header.kind {
                Kind::Open => header.generation > self.generation,
                Kind::Data | Kind::Close => header.generation == self.generation && !self.closed,
            }
    }

    fn accept(&mut self, header: &BatchHeader) {
        while self.unproven.front().is_some_and(|(_, last)| *last <= header.synced_upto) {
            self.unproven.pop_front();
        }
        self.unproven.push_back((self.offset, header.last()));
        let end = self.offset + header.total_bytes();
        // Frames the checkpoint holds are not looked at one by one.
        let needed = header.last() > self.after;
        self.payload = Payload {
            batch: self.offset,
            frames: if needed { header.frames } else { 0 },
            first: header.first,
            start: self.offset + HEADER_BYTES as u64,
            end,
        };
        self.offset = end;
        self.next = header.first + header.frames;
        self.generation = header.generation;
        self.closed = header.kind == Kind::Close;
    }

    /// No valid batch follows here, but a later segment exists.
    fn next_segment(&mut self) -> Result<(), LogError> {
        let goes_on = self
            .segments
            .get(1)
            .filter(|next| next.first == self.next && next.generation == self.generation)
            .copied();
        let Some(next) = goes_on else {
            return Err(self.corrupt(self.offset, self.next, "is not the batch that followed"));
        };
        self.read.extend(self.segments.pop_front());
        self.window = Some(self.open_segment(&next)?);
        Ok(())
    }

    /// No valid batch follows here and no segment: the end, torn or not, unless
    /// something behind it proves the contrary.
    fn end_of_log(&mut self) -> Result<(), LogError> {
        if self.is_proven_behind()? {
            return Err(self.corrupt(self.offset, self.next, "is not the batch that followed"));
        }
        self.cut = self.torn_tail()?;
        self.read.extend(self.segments.pop_front());
        self.ended = true;
        Ok(())
    }

    /// Looks behind the end for a batch that was written after this place had
    /// been synced.
    fn is_proven_behind(&mut self) -> Result<bool, LogError> {
        let finder = memmem::Finder::new(&self.identity.to_le_bytes()).into_owned();
        let mut from = self.offset + 1;
        while from + (HEADER_BYTES as u64) <= self.file_bytes() {
            let found = finder.find(self.bytes_at(from, STEP_BYTES)?);
            let Some(at) = found.map(|index| from + index as u64) else {
                from += STEP_BYTES - 7;
                continue;
            };
            if let Some((header, crc)) = self.header_at(at)? {
                let is_later = header.generation > self.generation
                    || header.generation == self.generation && header.synced_upto >= self.next;
                if is_later && self.checksum_matches(at, &header, crc)? {
                    return Ok(true);
                }
            }
            from = at + 1;
        }
        Ok(false)
    }

    /// What was begun behind the end: it is blank when nothing was.
    fn torn_tail(&mut self) -> Result<Option<Cut>, LogError> {
        let offset = self.offset;
        let rest = self.file_bytes().saturating_sub(offset);
        let known = match self.header_at(offset)? {
            Some((header, _)) if self.follows(&header) => Some(header.total_bytes().min(rest)),
            _ => None,
        };
        let page = self.bytes_at(offset, PAGE_BYTES)?;
        let begun = page.iter().take(HEADER_BYTES).any(|&byte| byte != 0);
        let seen = page.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1);
        let number = self.segments.front().map_or(0, |header| header.number);
        Ok(begun.then(|| Cut {
            position: self.next,
            file: self.disk.path(&log_name(number)),
            offset,
            bytes: known.unwrap_or(seen),
        }))
    }

    /// The header at `offset` when its batch would lie in the file.
    fn header_at(&mut self, offset: u64) -> Result<Option<(BatchHeader, u32)>, LogError> {
        let (identity, rest) = (self.identity, self.file_bytes().saturating_sub(offset));
        let bytes = self.bytes_at(offset, HEADER_BYTES as u64)?;
        Ok(BatchHeader::decode(identity, bytes).filter(|(header, _)| header.total_bytes() <= rest))
    }

    fn checksum_matches(
        &mut self,
        offset: u64,
        header: &BatchHeader,
        crc: u32,
    ) -> Result<bool, LogError> {
        // A batch up to this size is read once, for this and for its frames.
        let first_step = header.total_bytes().min(STEP_BYTES);
        let start = self.bytes_at(offset, first_step)?;
        let mut hasher = batch::checksum(start);
        hasher.update(start.get(HEADER_BYTES..).unwrap_or_default());
        let (mut at, end) = (offset + first_step, offset + header.total_bytes());
        while at < end {
            let part = self.bytes_at(at, (end - at).min(STEP_BYTES))?;
            if part.is_empty() {
                return Ok(false);
            }
            hasher.update(part);
            at += part.len() as u64;
        }
        Ok(hasher.finalize() == crc)
    }

    fn file_bytes(&self) -> u64 {
        self.window.as_ref().map_or(0, Window::file_bytes)
    }

    fn bytes_at(&mut self, offset: u64, bytes: u64) -> Result<&[u8], LogError> {
        let number = self.segments.front().or(self.read.last()).map_or(0, |header| header.number);
        let Some(window) = &mut self.window else { return Ok(&[]) };
        let read = window.at(offset, bytes);
        Ok(read.map_err(|cause| {
            let path = self.disk.path(&log_name(number));
            DiskFailure::new("read a segment", path)(cause)
        })?)
    }

    fn corrupt(&self, offset: u64, position: Position, found: &'static str) -> LogError {
        let number = self.segments.front().map_or(0, |header| header.number);
        LogError::Corrupt { file: self.disk.path(&log_name(number)), offset, position, found }
    }
}
