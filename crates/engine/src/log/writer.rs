//! The thread that puts batches on the disk.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::batch::{BatchHeader, HEADER_BYTES, Kind};
use super::error::LogError;
use super::queue::{Taken, Todo};
use super::segment::{Active, FIRST_BATCH, SegmentHeader};
use super::waiters::State;
use super::{Durability, Position, Shared};

/// Under `EverySec`, the shortest time between two writes: a busy log writes a
/// thousand batches a second instead of one for every few frames.
const LINGER: Duration = Duration::from_millis(1);

/// When everything is trimmed and this much of a segment is used, closing starts
/// a new one, so that the next opening has almost nothing to read.
const FRESH_START_BYTES: u64 = 1024 * 1024;

/// The only one that writes to the log's files while it is open.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    active: Active,
    generation: u64,
    /// Last position that was written.
    written: Position,
    /// Under `EverySec`: when the oldest unsynced batch was written.
    unsynced_since: Option<Instant>,
    linger_until: Option<Instant>,
    /// The buffer that is not with the queue.
    empty: Vec<u8>,
    woken: Vec<Waker>,
    finished: bool,
}

impl Writer {
    /// `written`: the last position in the log, which is synced.
    pub(crate) fn new(
        shared: Arc<Shared>,
        active: Active,
        generation: u64,
        written: Position,
    ) -> Self {
        Self {
            shared,
            active,
            generation,
            written,
            unsynced_since: None,
            linger_until: None,
            empty: Vec::new(),
            woken: Vec::new(),
            finished: false,
        }
    }

    /// Works until the log is closed or poisoned.
    pub(crate) fn run(mut self) -> Result<(), LogError> {
        loop {
            let sync_due =
                self.unsynced_since.map(|since| since + self.shared.options.sync_interval);
            match self.shared.queue.wait(self.linger_until, sync_due) {
                Todo::Write => self.commit()?,
                Todo::Sync => self.sync()?,
                Todo::Close => return self.finish(),
            }
        }
    }

    /// Writes everything pending as one batch. Under `Always` it is synced, and
    /// who waits for it is woken, before this returns.
    pub(crate) fn commit(&mut self) -> Result<(), LogError> {
        let queue = &self.shared.queue;
        let mut taken = queue.take(std::mem::take(&mut self.empty), &self.shared.progress);
        if taken.frames > 0 {
            self.make_room_patiently(taken.buf.len() as u64, taken.first)?;
            self.write(Kind::Data, &mut taken)?;
            match self.shared.options.durability {
                Durability::Always => self.sync()?,
                Durability::EverySec => {
                    let now = Instant::now();
                    self.unsynced_since.get_or_insert(now);
                    self.linger_until = Some(now + LINGER);
                }
            }
        }
        self.empty = taken.buf;
        Ok(())
    }

    /// Writes and syncs what is pending and marks the log as closed.
    pub(crate) fn finish(&mut self) -> Result<(), LogError> {
        self.commit()?;
        if self.written > self.shared.progress.synced() {
            self.sync()?;
        }
        let next = self.written + 1;
        match self.make_room_for_close(next) {
            Ok(()) => {
                let mut batch = Taken { buf: vec![0; HEADER_BYTES], first: next, frames: 0 };
                self.write(Kind::Close, &mut batch)?;
                self.sync()?;
            }
            // Every frame is safe: the mark is not worth an error.
            Err(error) if error.passes() => {}
            Err(other) => return Err(self.fail(other)),
        }
        self.end(State::Closed, LogError::Closed);
        Ok(())
    }

    fn make_room_for_close(&mut self, next: Position) -> Result<(), LogError> {
        let all_trimmed = self.shared.shelf.lock().trimmed() >= self.written;
        if all_trimmed && self.active.end() > FRESH_START_BYTES {
            self.rotate(next)?;
            // What this leaves behind, the next opening tidies up.
            _ = self.shared.trim(self.written);
        }
        self.make_room(HEADER_BYTES as u64, next)
    }

    /// Waits while the disk is full, or no file can be opened. The batch stays with the caller: nothing is
    /// lost and nothing can pass it.
    fn make_room_patiently(&mut self, bytes: u64, first: Position) -> Result<(), LogError> {
        let mut was_full = false;
        let mut closing = false;
        loop {
            match self.make_room(bytes, first) {
                Ok(()) => break,
                Err(full) if full.passes() && !closing => {
                    was_full = true;
                    self.shared.progress.fail(State::Full, full);
                    let until = Instant::now() + self.shared.options.full_retry;
                    closing = self.shared.queue.wait_for_space(until);
                }
                Err(other) => return Err(self.fail(other)),
            }
        }
        if was_full {
            self.shared.progress.resume();
        }
        Ok(())
    }

    /// Finds a place for a batch that starts with position `first`.
    fn make_room(&mut self, bytes: u64, first: Position) -> Result<(), LogError> {
        if !self.active.takes(bytes, self.shared.options.segment_bytes) {
            // A segment is synced whole before the next exists.
            if self.unsynced_since.is_some() {
                self.sync()?;
            }
            self.rotate(first)?;
        }
        self.active.reserve(bytes).map_err(|failure| failure.passing_or_poison())
    }

    fn rotate(&mut self, first: Position) -> Result<(), LogError> {
        let header = SegmentHeader {
            identity: self.shared.identity,
            number: self.active.number() + 1,
            generation: self.generation,
            first,
        };
        let spare = self.shared.shelf.lock().take_spare();
        match Active::create(&*self.shared.disk, &header, spare) {
            Ok(active) => {
                let file_bytes = self.active.file_bytes();
                self.active = active;
                self.shared.shelf.lock().add_live(header.number, first, file_bytes);
                Ok(())
            }
            Err(failure) => {
                if let Some(number) = spare {
                    self.shared.shelf.lock().add_spare(number);
                }
                Err(failure.passing_or_poison())
            }
        }
    }

    fn write(&mut self, kind: Kind, taken: &mut Taken) -> Result<(), LogError> {
        let payload_bytes = (taken.buf.len() - HEADER_BYTES) as u64;
        let header = BatchHeader {
            kind,
            payload_bytes,
            frames: taken.frames,
            generation: self.generation,
            first: taken.first,
            synced_upto: self.shared.progress.synced(),
        };
        header.seal(self.shared.identity, &mut taken.buf);
        self.active.write(&mut taken.buf).map_err(|failure| self.fail(failure.poison()))?;
        self.written = header.last();
        Ok(())
    }

    /// Makes everything written durable and tells those who wait.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        let begun = Instant::now();
        self.active.sync().map_err(|failure| self.fail(failure.poison()))?;
        self.shared.progress.note_sync(begun.elapsed());
        self.unsynced_since = None;
        self.shared.progress.publish(self.written, &mut self.woken);
        Ok(())
    }

    /// Ends the log for good; gives `error` back.
    fn fail(&mut self, error: LogError) -> LogError {
        let state = match error {
            LogError::Poisoned { .. } => State::Poisoned,
            _ => State::Closed,
        };
        self.end(state, error.clone());
        error
    }

    fn end(&mut self, state: State, failure: LogError) {
        self.finished = true;
        self.shared.progress.fail(state, failure);
        self.shared.queue.discard(&self.shared.progress);
    }
}

impl Drop for Writer {
    /// Whatever made the writer go away, nobody waits for it forever.
    fn drop(&mut self) {
        if !self.finished {
            self.end(State::Closed, LogError::Closed);
        }
    }
}

const _: () = assert!(FIRST_BATCH < FRESH_START_BYTES);
