//! From reading the log to appending to it.

use std::sync::{Arc, OnceLock};
use std::thread;

use parking_lot::Mutex;

use super::batch::{BatchHeader, HEADER_BYTES, Kind};
use super::error::{DiskFailure, LogError};
use super::queue::Queue;
use super::recovery::Recovery;
use super::segment::{Active, SegmentHeader, log_name, spare_name};
use super::shelf::Shelf;
use super::waiters::{Limits, Progress};
use super::window::Window;
use super::writer::Writer;
use super::{Log, Position, Recovered, Shared};

impl Recovery {
    /// Reads what was not read, and opens the log for appending.
    ///
    /// # Errors
    /// As [`Recovery::next`], and when the log cannot be written.
    pub(crate) fn start(self) -> Result<(Log, Recovered), LogError> {
        let (shared, writer, recovered) = self.into_parts()?;
        let path = shared.disk.path("");
        let thread = thread::Builder::new()
            .name("tuckbox-log".to_owned())
            .spawn(move || writer.run())
            .map_err(DiskFailure::new("start the log's thread", path))?;
        let log = Log { shared, thread: Mutex::new(Some(thread)), closed: OnceLock::new() };
        Ok((log, recovered))
    }

    /// Everything but the thread.
    pub(super) fn into_parts(mut self) -> Result<(Arc<Shared>, Writer, Recovered), LogError> {
        while self.next()?.is_some() {}
        // A checkpoint can be ahead of a log that lost its unsynced end.
        let last = self.after.max(self.next - 1);
        let generation = self.generation + 1;
        let (mut active, live) = self.last_segment(last)?;
        self.open_generation(&mut active, generation, last)?;
        let first_live = live.first().map_or(active.number(), |header| header.number);
        let spares = self.tidy_up(first_live)?;

        let recovered =
            Recovered { last, frames: self.frames, bytes: self.bytes, cut: self.cut.take() };
        let shelf = Shelf::new(
            live.iter().map(|header| (header.number, header.first)),
            spares,
            (self.options.spare_segments, self.options.segment_bytes),
            self.after,
        );
        let limits =
            Limits { pending: self.options.pending_limit, length: self.options.length_limit };
        let progress = Progress::new(self.options.durability, limits, last);
        let shared = Arc::new(Shared {
            disk: self.disk,
            options: self.options,
            identity: self.identity,
            queue: Queue::new(last + 1, self.bytes, &progress),
            progress: Arc::new(progress),
            shelf: Mutex::new(shelf),
        });
        let writer = Writer::new(Arc::clone(&shared), active, generation, last);
        Ok((shared, writer, recovered))
    }

    /// The segment to go on with, everything in it certainly on the disk, and all
    /// that are live.
    fn last_segment(&mut self, last: Position) -> Result<(Active, Vec<SegmentHeader>), LogError> {
        let newest = self.read.last().copied();
        if let Some(header) = newest
            && last < self.next
            && let Some(window) = self.window.take()
        {
            let active =
                Active::resume(&*self.disk, header.number, Window::into_file(window), self.offset)?;
            active.rewrite_from(self.unproven.front().map_or(self.offset, |(start, _)| *start))?;
            active.sync()?;
            return Ok((active, std::mem::take(&mut self.read)));
        }
        // A new log, or one the checkpoint has left behind: all of it is obsolete.
        self.obsolete.extend(self.read.drain(..).map(|header| header.number));
        let header = SegmentHeader {
            identity: self.identity,
            number: newest.map_or(0, |header| header.number) + 1,
            generation: self.generation,
            first: last + 1,
        };
        let active = Active::create(&*self.disk, &header, None)?;
        // What an interrupted start of this very segment left was used for it.
        self.spares.retain(|number| *number != header.number);
        Ok((active, vec![header]))
    }

    /// From here on nothing that is left of a cut tail is valid.
    fn open_generation(
        &self,
        active: &mut Active,
        generation: u64,
        last: Position,
    ) -> Result<(), LogError> {
        let open = BatchHeader {
            kind: Kind::Open,
            payload_bytes: 0,
            frames: 0,
            generation,
            first: last + 1,
            synced_upto: last,
        };
        let mut batch = vec![0; HEADER_BYTES];
        open.seal(self.identity, &mut batch);
        active.reserve(batch.len() as u64)?;
        active.write(&mut batch)?;
        Ok(active.sync()?)
    }

    /// Makes spares of obsolete segments, as many as the options allow, and
    /// removes the other ones. Returns all spares. What a power cut undoes of
    /// this, the next opening does again.
    fn tidy_up(&self, first_live: u64) -> Result<Vec<u64>, LogError> {
        let mut spares = Vec::new();
        let old = self.spares.iter().map(|number| (*number, spare_name(*number)));
        let new = self.obsolete.iter().map(|number| (*number, log_name(*number)));
        for (number, name) in old.chain(new) {
            let spare = spare_name(number);
            // A spare with the number of a live segment, or a later one, is what
            // an interrupted start of that segment left.
            let keep = spares.len() < self.options.spare_segments
                && number < first_live
                && !spares.contains(&number);
            let path = self.disk.path(&name);
            if !keep {
                let removed = self.disk.remove(&name);
                removed.map_err(DiskFailure::new("remove a segment", path))?;
            } else if name != spare {
                let renamed = self.disk.rename(&name, &spare);
                renamed.map_err(DiskFailure::new("keep a segment as a spare", path))?;
            }
            spares.extend(keep.then_some(number));
        }
        Ok(spares)
    }
}
