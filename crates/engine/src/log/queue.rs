//! Frames on their way to the writer.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::Position;
use super::batch::{HEADER_BYTES, put_frame};
use super::length::Length;
use super::waiters::{Progress, Weight};

/// A writer that lingers is woken early by this much.
const LINGER_BYTES: usize = 256 * 1024;

/// A buffer that grew beyond this is not kept.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The pending buffer, between those who append and the writer.
pub(crate) struct Queue {
    pending: Mutex<Pending>,
    work: Condvar,
}

struct Pending {
    /// Room for the batch's header, then frames.
    buf: Vec<u8>,
    /// Position of the next frame.
    next: Position,
    frames: u64,
    length: Length,
    /// The log may be as long as it gets.
    grows: bool,
    /// The writer sleeps and wants to be woken at this length.
    wake_at: usize,
    /// More frames are about to come: until then they are worth waiting for.
    held: Option<Instant>,
    /// Those who append are amid something that is of no use in parts.
    corked: Option<Instant>,
    closing: bool,
    /// The log is poisoned or closed: frames go nowhere.
    discarding: bool,
}

/// What the writer is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    Write,
    Sync,
    Close,
}

/// Frames without a header yet.
pub(crate) struct Taken {
    /// 56 bytes for the header, then the payload.
    pub(crate) buf: Vec<u8>,
    pub(crate) first: Position,
    pub(crate) frames: u64,
}

impl Queue {
    /// Of a log that has `bytes` of frames, all of which are needed.
    pub(crate) fn new(next: Position, bytes: u64, progress: &Progress) -> Self {
        let pending = Pending {
            buf: vec![0; HEADER_BYTES],
            next,
            frames: 0,
            length: Length::new(bytes),
            grows: false,
            wake_at: usize::MAX,
            held: None,
            corked: None,
            closing: false,
            discarding: false,
        };
        progress.weigh(pending.weight());
        Self { pending: Mutex::new(pending), work: Condvar::new() }
    }

    /// Takes a frame and gives it its position.
    pub(crate) fn append(&self, frame: &[u8], progress: &Progress) -> Position {
        let mut pending = self.pending.lock();
        let position = pending.next;
        pending.next += 1;
        if pending.discarding {
            return position;
        }
        pending.frames += 1;
        let before = pending.buf.len();
        put_frame(&mut pending.buf, frame);
        let after = pending.buf.len();
        pending.length.add((after - before) as u64);
        progress.weigh(pending.weight());
        let wake = after >= pending.wake_at;
        if wake {
            pending.wake_at = usize::MAX;
        }
        drop(pending);
        if wake {
            self.work.notify_one();
        }
        position
    }

    /// The last position given out.
    #[cfg(test)]
    pub(crate) fn last(&self) -> Position {
        self.pending.lock().next - 1
    }

    /// The last position given out, where a checkpoint begins.
    pub(crate) fn mark(&self, progress: &Progress) -> Position {
        let mut pending = self.pending.lock();
        let last = pending.next - 1;
        pending.length.mark(last);
        progress.weigh(pending.weight());
        last
    }

    /// Takes note that the frames up to `position` are not needed any more.
    pub(crate) fn trim(&self, position: Position, progress: &Progress) {
        self.change(progress, |pending| pending.length.trim(position, pending.next - 1));
    }

    /// Sets whether the log may be as long as it gets.
    pub(crate) fn let_grow(&self, grows: bool, progress: &Progress) {
        self.change(progress, |pending| pending.grows = grows);
    }

    /// Makes a change that may give room to those who wait for it.
    fn change(&self, progress: &Progress, change: impl FnOnce(&mut Pending)) {
        let mut pending = self.pending.lock();
        change(&mut pending);
        let eased = progress.weigh(pending.weight());
        drop(pending);
        if eased {
            progress.announce_room();
        }
    }

    /// Takes what is pending and leaves `empty` in its place.
    pub(crate) fn take(&self, mut empty: Vec<u8>, progress: &Progress) -> Taken {
        if empty.capacity() > KEPT_BYTES {
            empty = Vec::new();
        }
        empty.clear();
        empty.resize(HEADER_BYTES, 0);
        let mut pending = self.pending.lock();
        let frames = std::mem::take(&mut pending.frames);
        let first = pending.next - frames;
        let buf = std::mem::replace(&mut pending.buf, empty);
        let eased = progress.weigh(pending.weight());
        drop(pending);
        if eased {
            progress.announce_room();
        }
        Taken { buf, first, frames }
    }

    /// Blocks the writer until there is something to do: not before `linger` for
    /// a write, unless much is pending; at `sync_due` for a sync.
    pub(crate) fn wait(&self, linger: Option<Instant>, sync_due: Option<Instant>) -> Todo {
        let mut pending = self.pending.lock();
        loop {
            // The clock is asked only by a writer that has something to time.
            let passed = |due: Option<Instant>| due.is_some_and(|due| due <= Instant::now());
            if passed(sync_due) {
                return Todo::Sync;
            }
            if pending.closing {
                return Todo::Close;
            }
            if passed(pending.held) {
                pending.held = None;
            }
            if passed(pending.corked) {
                pending.corked = None;
            }
            let linger = linger.filter(|linger| !passed(Some(*linger)));
            let linger = linger.max(pending.held).max(pending.corked);
            let enough = if linger.is_some() { LINGER_BYTES } else { HEADER_BYTES + 1 };
            if pending.buf.len() >= enough {
                return Todo::Write;
            }
            let due = if pending.frames > 0 {
                pending.wake_at = enough;
                sync_due.into_iter().chain(linger).min()
            } else {
                pending.wake_at = HEADER_BYTES + 1;
                sync_due
            };
            match due {
                Some(due) => _ = self.work.wait_until(&mut pending, due),
                None => self.work.wait(&mut pending),
            }
            pending.wake_at = usize::MAX;
        }
    }

    /// Has the writer wait for more frames, until `until` or [`Queue::go`].
    pub(crate) fn hold(&self, until: Instant) {
        self.pending.lock().held = Some(until);
    }

    /// Ends what [`Queue::hold`] began.
    pub(crate) fn go(&self) {
        let mut pending = self.pending.lock();
        if pending.held.take().is_some() && pending.frames > 0 {
            drop(pending);
            self.work.notify_one();
        }
    }

    /// Has the writer wait until `until` or [`Queue::uncork`].
    pub(crate) fn cork(&self, until: Instant) {
        self.pending.lock().corked = Some(until);
    }

    /// Ends what [`Queue::cork`] began.
    pub(crate) fn uncork(&self) {
        let mut pending = self.pending.lock();
        // It may be held still, but not for as long.
        if pending.corked.take().is_some() && pending.frames > 0 {
            drop(pending);
            self.work.notify_one();
        }
    }

    /// Blocks the writer until `until`, or until the log is to be closed: true.
    pub(crate) fn wait_for_space(&self, until: Instant) -> bool {
        let mut pending = self.pending.lock();
        while !pending.closing {
            if self.work.wait_until(&mut pending, until).timed_out() {
                break;
            }
        }
        pending.closing
    }

    /// Asks the writer to finish.
    pub(crate) fn close(&self) {
        self.pending.lock().closing = true;
        self.work.notify_one();
    }

    /// Frees what is pending; frames that still come go nowhere.
    pub(crate) fn discard(&self, progress: &Progress) {
        let mut pending = self.pending.lock();
        pending.discarding = true;
        pending.buf = Vec::new();
        pending.frames = 0;
        progress.weigh(pending.weight());
    }
}

impl Pending {
    fn weight(&self) -> Weight {
        Weight {
            // Without the room for the header, that is of no frame.
            pending: self.buf.len().saturating_sub(HEADER_BYTES),
            since_trim: self.length.since_trim(),
            since_mark: self.length.since_mark(),
            grows: self.grows,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;
    use crate::{log::waiters::Limits, options::Durability};

    /// What a writer does about one frame that is appended during a hold, and then.
    fn todo_of_a_held_frame(hold: Duration, then: impl FnOnce(&Queue)) -> Option<Todo> {
        let limits = Limits { pending: 1 << 20, length: u64::MAX };
        let progress = Progress::new(Durability::Always, limits, 0);
        let queue = &Queue::new(1, 0, &progress);
        queue.hold(Instant::now() + hold);
        queue.append(b"frame", &progress);
        thread::scope(|scope| {
            let (done, todo) = mpsc::channel();
            scope.spawn(move || done.send(queue.wait(None, None)));
            then(queue);
            let todo = todo.recv_timeout(Duration::from_secs(60)).ok();
            // Whatever came, the thread ends.
            queue.close();
            todo
        })
    }

    #[test]
    fn what_is_held_is_written_once_it_may_go() {
        let hour = Duration::from_secs(3600);
        assert_eq!(todo_of_a_held_frame(hour, Queue::go), Some(Todo::Write));
    }

    #[test]
    fn a_hold_ends_by_itself_and_before_a_close() {
        let moment = Duration::from_millis(1);
        assert_eq!(todo_of_a_held_frame(moment, |_| ()), Some(Todo::Write));
        let hour = Duration::from_secs(3600);
        assert_eq!(todo_of_a_held_frame(hour, Queue::close), Some(Todo::Close));
    }

    #[test]
    fn a_cork_keeps_what_may_go_until_it_is_drawn() {
        let hour = Duration::from_secs(3600);
        let cork = |queue: &Queue| {
            queue.cork(Instant::now() + hour);
            queue.go();
            queue.uncork();
        };
        assert_eq!(todo_of_a_held_frame(hour, cork), Some(Todo::Write));
    }
}
