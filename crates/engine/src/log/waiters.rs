//! Who waits for what: frames to be durable, or the pending buffer to have room.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::LogError;
use super::{Durability, Position};

/// Whether the log takes writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// It does.
    Open,
    /// No space on the disk, or no file descriptor; it comes back by itself.
    Full,
    /// A write or a sync failed; for good.
    Poisoned,
    /// It was closed.
    Closed,
}

/// How far the log is, and those who wait for it to go on.
///
/// Numbers and the state are atomics, so that asking costs a load. Whoever has to
/// wait looks at them again under the lock before it registers; the writer
/// changes them before it takes the lock to wake: no wakeup is lost.
pub(crate) struct Progress {
    durability: Durability,
    limits: Limits,
    pending_bytes: AtomicUsize,
    since_trim: AtomicU64,
    since_mark: AtomicU64,
    /// One of the limits was reached.
    crowded: AtomicBool,
    synced: AtomicU64,
    syncs: AtomicU64,
    /// Microseconds that a sync takes, lately.
    sync_micros: AtomicU64,
    state: AtomicU8,
    waiting: Mutex<Waiting>,
}

/// From where on writers have to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of frames waiting to be written.
    pub(crate) pending: usize,
    /// Bytes of frames that a crash would have replayed.
    pub(crate) length: u64,
}

/// What is weighed against the limits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    pub(crate) pending: usize,
    pub(crate) since_trim: u64,
    pub(crate) since_mark: u64,
    /// The log may be as long as it gets.
    pub(crate) grows: bool,
}

#[derive(Default)]
struct Waiting {
    /// The number makes keys unique.
    durable: BTreeMap<(Position, u64), Waker>,
    room: BTreeMap<u64, Waker>,
    registered: u64,
    /// Set when the state is not `Open`.
    failure: Option<LogError>,
}

impl Progress {
    pub(crate) fn new(durability: Durability, limits: Limits, synced: Position) -> Self {
        Self {
            durability,
            limits,
            pending_bytes: AtomicUsize::new(0),
            since_trim: AtomicU64::new(0),
            since_mark: AtomicU64::new(0),
            crowded: AtomicBool::new(false),
            synced: AtomicU64::new(synced),
            syncs: AtomicU64::new(0),
            sync_micros: AtomicU64::new(0),
            state: AtomicU8::new(State::Open as u8),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn synced(&self) -> Position {
        self.synced.load(Ordering::Acquire)
    }

    /// How long a sync takes, lately.
    pub(crate) fn sync_takes(&self) -> Duration {
        Duration::from_micros(self.sync_micros.load(Ordering::Relaxed))
    }

    /// Notes how long a sync took. Called by the writer alone.
    pub(crate) fn note_sync(&self, took: Duration) {
        let before = self.sync_micros.load(Ordering::Relaxed);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // A slow one among many does not change much.
        self.sync_micros.store(before - before / 8 + took / 8, Ordering::Relaxed);
    }

    /// How often [`Progress::publish`] was called.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Open,
            1 => State::Full,
            2 => State::Poisoned,
            _ => State::Closed,
        }
    }

    /// What is wrong when the state is not `Open`.
    pub(crate) fn failure(&self) -> Option<LogError> {
        if self.state() == State::Open { None } else { self.waiting.lock().failure.clone() }
    }

    pub(crate) fn pending_full(&self) -> bool {
        self.pending_bytes.load(Ordering::Acquire) >= self.limits.pending
    }

    /// Whether a write need not wait; one that is refused need not either.
    pub(crate) fn has_room(&self) -> bool {
        !self.crowded.load(Ordering::Acquire) || self.state() != State::Open
    }

    /// Bytes behind the last trim.
    pub(crate) fn since_trim(&self) -> u64 {
        self.since_trim.load(Ordering::Relaxed)
    }

    /// Bytes behind the beginning of the last checkpoint.
    pub(crate) fn since_mark(&self) -> u64 {
        self.since_mark.load(Ordering::Relaxed)
    }

    /// Called under the queue's lock, so that the last value is the true one.
    /// Returns whether there is room again: that is to be announced.
    pub(crate) fn weigh(&self, weight: Weight) -> bool {
        self.pending_bytes.store(weight.pending, Ordering::Release);
        self.since_trim.store(weight.since_trim, Ordering::Relaxed);
        self.since_mark.store(weight.since_mark, Ordering::Relaxed);
        let long = weight.since_trim >= self.limits.length && !weight.grows;
        let crowded = long || weight.pending >= self.limits.pending;
        // Changes are rare, and everybody looks at it.
        let before = self.crowded.load(Ordering::Relaxed);
        if before != crowded {
            self.crowded.store(crowded, Ordering::Release);
        }
        before && !crowded
    }

    /// Everything up to `position` is on the disk. `woken` is an empty buffer.
    pub(crate) fn publish(&self, position: Position, woken: &mut Vec<Waker>) {
        self.synced.store(position, Ordering::Release);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.waiting.lock();
        while let Some(first) = waiting.durable.first_entry()
            && first.key().0 <= position
        {
            woken.push(first.remove());
        }
        drop(waiting);
        woken.drain(..).for_each(Waker::wake);
    }

    /// The pending buffer was taken, or the log trimmed.
    pub(crate) fn announce_room(&self) {
        let room = std::mem::take(&mut self.waiting.lock().room);
        room.into_values().for_each(Waker::wake);
    }

    /// The log takes writes again.
    pub(crate) fn resume(&self) {
        self.waiting.lock().failure = None;
        self.state.store(State::Open as u8, Ordering::Release);
    }

    /// Nobody needs to wait any more: all get `failure`, now and from now on.
    pub(crate) fn fail(&self, state: State, failure: LogError) {
        let mut waiting = self.waiting.lock();
        waiting.failure = Some(failure);
        self.state.store(state as u8, Ordering::Release);
        let durable = std::mem::take(&mut waiting.durable);
        let room = std::mem::take(&mut waiting.room);
        drop(waiting);
        durable.into_values().chain(room.into_values()).for_each(Waker::wake);
    }

    /// Without the lock: `Some` when there is nothing to wait for.
    pub(crate) fn is_durable(&self, position: Position) -> bool {
        position <= self.synced()
            || self.durability == Durability::EverySec && self.state() == State::Open
    }
}

/// Resolves when a frame may be acknowledged; see [`Log::durable`](super::Log::durable).
#[must_use = "a frame is durable only after this resolved"]
pub(crate) struct Durable {
    progress: Arc<Progress>,
    position: Position,
    registered: Option<u64>,
}

impl Durable {
    pub(crate) fn new(progress: Arc<Progress>, position: Position) -> Self {
        Self { progress, position, registered: None }
    }
}

impl Future for Durable {
    type Output = Result<(), LogError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.progress.is_durable(this.position) {
            // When it was registered its entry is gone or goes when it is dropped.
            return Poll::Ready(Ok(()));
        }
        let mut waiting = this.progress.waiting.lock();
        if this.progress.is_durable(this.position) {
            return Poll::Ready(Ok(()));
        }
        if let Some(failure) = &waiting.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        let number = this.registered.unwrap_or_else(|| waiting.next_number());
        this.registered = Some(number);
        let old = waiting.durable.insert((this.position, number), context.waker().clone());
        // A waker may run code of its task when it is dropped: not under the lock.
        drop(waiting);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Some(number) = self.registered {
            let waker = self.progress.waiting.lock().durable.remove(&(self.position, number));
            drop(waker);
        }
    }
}

/// Resolves when the log takes a write; see [`Log::room`](super::Log::room).
#[must_use = "there is room only after this resolved"]
pub(crate) struct Room {
    progress: Arc<Progress>,
    registered: Option<u64>,
}

impl Room {
    pub(crate) fn new(progress: Arc<Progress>) -> Self {
        Self { progress, registered: None }
    }
}

impl Future for Room {
    type Output = Result<(), LogError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let progress = &this.progress;
        if progress.state() == State::Open && progress.has_room() {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = progress.waiting.lock();
        if let Some(failure) = &waiting.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        if progress.has_room() {
            return Poll::Ready(Ok(()));
        }
        let number = this.registered.unwrap_or_else(|| waiting.next_number());
        this.registered = Some(number);
        let old = waiting.room.insert(number, context.waker().clone());
        drop(waiting);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(number) = self.registered {
            let waker = self.progress.waiting.lock().room.remove(&number);
            drop(waker);
        }
    }
}

impl Waiting {
    fn next_number(&mut self) -> u64 {
        self.registered += 1;
        self.registered
    }
}

/// Blocks this thread until `future` resolves.
pub(crate) fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    loop {
        if let Some(output) = block(&mut future, None) {
            return output;
        }
    }
}

/// Blocks this thread until `future` resolves, or until `until`: `None`.
pub(crate) fn block_on_until<F: Future + Unpin>(
    future: &mut F,
    until: Instant,
) -> Option<F::Output> {
    block(future, Some(until))
}

fn block<F: Future + Unpin>(future: &mut F, until: Option<Instant>) -> Option<F::Output> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut context) {
            return Some(output);
        }
        // Spurious returns are harmless: the future is asked again.
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn progress() -> Arc<Progress> {
        Arc::new(Progress::new(Durability::Always, Limits { pending: 10, length: 100 }, 0))
    }

    const PENDING: Weight = Weight { pending: 10, since_trim: 10, since_mark: 10, grows: false };
    const LONG: Weight = Weight { pending: 0, since_trim: 100, since_mark: 100, grows: false };
    const LIGHT: Weight = Weight { pending: 9, since_trim: 99, since_mark: 99, grows: false };

    fn poll<F: Future + Unpin>(future: &mut F, count: &Arc<Count>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn only_those_whose_frame_is_durable_are_woken() {
        let progress = progress();
        let count = Arc::new(Count::default());
        let mut waiting: Vec<_> =
            (1..=100).rev().map(|at| Durable::new(Arc::clone(&progress), at)).collect();
        assert!(waiting.iter_mut().all(|future| poll(future, &count).is_pending()));
        progress.publish(40, &mut Vec::new());
        assert_eq!(count.0.load(Ordering::SeqCst), 40);
        assert_eq!(progress.waiting.lock().durable.len(), 60);
        let ready = waiting.iter_mut().filter_map(|future| match poll(future, &count) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        });
        assert_eq!(ready.filter(Result::is_ok).count(), 40);
    }

    #[test]
    fn a_dropped_future_leaves_nothing_behind() {
        let progress = progress();
        let count = Arc::new(Count::default());
        progress.weigh(PENDING);
        let mut durable = Durable::new(Arc::clone(&progress), 1);
        let mut room = Room::new(Arc::clone(&progress));
        assert!(poll(&mut durable, &count).is_pending() && poll(&mut room, &count).is_pending());
        assert!(poll(&mut durable, &count).is_pending() && poll(&mut room, &count).is_pending());
        drop((durable, room));
        let waiting = progress.waiting.lock();
        assert!(waiting.durable.is_empty() && waiting.room.is_empty());
    }

    #[test]
    fn a_future_that_moved_to_another_task_wakes_that_one() {
        let progress = progress();
        let (old, new) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut durable = Durable::new(Arc::clone(&progress), 1);
        assert!(poll(&mut durable, &old).is_pending());
        assert!(poll(&mut durable, &new).is_pending());
        progress.publish(1, &mut Vec::new());
        assert_eq!((old.0.load(Ordering::SeqCst), new.0.load(Ordering::SeqCst)), (0, 1));
    }

    #[test]
    fn a_failure_wakes_everybody_and_those_who_come_later() {
        let progress = progress();
        let count = Arc::new(Count::default());
        let mut durable = Durable::new(Arc::clone(&progress), 1);
        assert!(poll(&mut durable, &count).is_pending());
        progress.fail(State::Closed, LogError::Closed);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(matches!(poll(&mut durable, &count), Poll::Ready(Err(LogError::Closed))));
        let mut later = Durable::new(Arc::clone(&progress), 1);
        assert!(matches!(poll(&mut later, &count), Poll::Ready(Err(LogError::Closed))));
        let mut room = Room::new(Arc::clone(&progress));
        assert!(matches!(poll(&mut room, &count), Poll::Ready(Err(LogError::Closed))));
    }

    #[test]
    fn room_is_announced_when_both_limits_are_kept() {
        for full in [PENDING, LONG] {
            let progress = progress();
            let count = Arc::new(Count::default());
            let mut room = Room::new(Arc::clone(&progress));
            assert!(!progress.weigh(full));
            assert!(!progress.has_room() && poll(&mut room, &count).is_pending());
            assert!(!progress.weigh(full));
            assert!(progress.weigh(LIGHT));
            progress.announce_room();
            assert_eq!(count.0.load(Ordering::SeqCst), 1);
            assert!(matches!(poll(&mut room, &count), Poll::Ready(Ok(()))));
            assert!(!progress.weigh(LIGHT));
        }
    }

    #[test]
    fn a_log_that_may_grow_is_never_too_long() {
        let progress = progress();
        progress.weigh(Weight { grows: true, ..LONG });
        assert!(progress.has_room());
        assert!(!progress.weigh(LONG) && !progress.has_room());
        assert!(progress.weigh(Weight { grows: true, ..LONG }));
    }

    #[test]
    fn nobody_waits_for_room_in_a_log_that_takes_nothing() {
        let progress = progress();
        progress.weigh(LONG);
        progress.fail(State::Full, LogError::Full { path: "log".into() });
        assert!(progress.has_room());
        progress.resume();
        assert!(!progress.has_room());
    }
}
