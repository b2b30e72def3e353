//! [`State`]: what the calls of one connection share.

use std::{collections::VecDeque, task::Waker, time::Instant};

use bytes::BytesMut;
use smallvec::SmallVec;
use tuckbox_resp::Reply;

use super::{
    batch::Batch,
    link::{Cause, Link},
};

/// The replies to one batch: a single one needs no allocation.
pub(super) type Replies = SmallVec<[Reply; 1]>;

/// What all calls share.
pub(super) struct State {
    /// The socket, unless a call drives it.
    pub(super) link: Option<Box<Link>>,
    /// Encoded commands that the driving call has not taken yet.
    pub(super) outgoing: BytesMut,
    /// How many bytes were ever queued.
    queued: u64,
    /// The calls in the order of their replies; the first has number `first`.
    pub(super) slots: VecDeque<Slot>,
    first: u64,
    /// How many of the slots in front have all their replies.
    complete: usize,
    /// Wakes the call that drives.
    pub(super) driver: Option<Waker>,
    /// Set once, when the connection ends, with the bytes written until then.
    pub(super) failure: Option<(Cause, u64)>,
    pub(super) last_used: Instant,
    /// The last read had replies for several calls, so more calls are coming.
    pub(super) crowded: bool,
}

/// One call that waits for its replies.
pub(super) struct Slot {
    /// How many bytes were queued before its own.
    start: u64,
    replies: Replies,
    missing: usize,
    /// `None` while it drives, and after its call was dropped.
    pub(super) waker: Option<Waker>,
    pub(super) dropped: bool,
}

impl State {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link: Some(Box::new(link)),
            outgoing: BytesMut::new(),
            queued: 0,
            slots: VecDeque::new(),
            first: 0,
            complete: 0,
            driver: None,
            failure: None,
            last_used: Instant::now(),
            crowded: false,
        }
    }

    pub(super) fn admit(&self, max_in_flight: usize) -> Result<(), Lost> {
        if let Some((cause, _)) = &self.failure {
            return Err(Lost::Dead { sent: false, cause: cause.clone() });
        }
        if self.slots.len() >= max_in_flight {
            return Err(Lost::Busy);
        }
        Ok(())
    }

    /// Appends `batch` and gives its number.
    pub(super) fn queue(&mut self, batch: &Batch<'_>) -> u64 {
        let before = self.outgoing.len();
        batch.encode(&mut self.outgoing);
        let slot = Slot {
            start: self.queued,
            replies: Replies::new(),
            missing: batch.replies(),
            waker: None,
            dropped: false,
        };
        self.queued += (self.outgoing.len() - before) as u64;
        self.slots.push_back(slot);
        self.first + self.slots.len() as u64 - 1
    }

    pub(super) fn slot(&mut self, ticket: u64) -> Option<&mut Slot> {
        let index = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index)
    }

    pub(super) fn take_link(&mut self) -> Option<Box<Link>> {
        let mut link = self.link.take()?;
        self.load(&mut link);
        Some(link)
    }

    /// Gives the driver what was queued, once it has written what it had.
    pub(super) fn load(&mut self, link: &mut Link) {
        if link.unsent.is_empty() && !self.outgoing.is_empty() {
            std::mem::swap(&mut link.unsent, &mut self.outgoing);
        }
    }

    pub(super) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Hands out `replies` in order and collects whom to wake.
    pub(super) fn deliver(
        &mut self,
        replies: &mut Vec<Reply>,
        wakers: &mut SmallVec<[Waker; 16]>,
    ) -> Result<(), Cause> {
        let complete = self.complete;
        for reply in replies.drain(..) {
            let Some(slot) = self.slots.get_mut(self.complete) else {
                return Err(Cause::garbled("more replies than commands"));
            };
            slot.missing -= 1;
            slot.replies.push(reply);
            if slot.missing == 0 {
                self.complete += 1;
                wakers.extend(slot.waker.take());
            }
        }
        if self.complete > complete {
            self.crowded = self.complete - complete > 1;
        }
        Ok(())
    }

    /// The replies of call `ticket` when it has all of them.
    pub(super) fn take_complete(&mut self, ticket: u64) -> Option<Replies> {
        let slot = self.slot(ticket)?;
        if slot.missing > 0 {
            return None;
        }
        let replies = std::mem::take(&mut slot.replies);
        slot.dropped = true;
        self.forget_done();
        Some(replies)
    }

    pub(super) fn forget_done(&mut self) {
        while self.complete > 0 && self.slots.front().is_some_and(|slot| slot.dropped) {
            self.slots.pop_front();
            self.first += 1;
            self.complete -= 1;
        }
    }

    /// Whether call `ticket` may have reached the server, on a dead connection.
    pub(super) fn lost(&mut self, ticket: u64) -> Option<Lost> {
        let (cause, written) = self.failure.clone()?;
        let sent = self.slot(ticket).is_none_or(|slot| slot.start < written);
        Some(Lost::Dead { sent, cause })
    }

    /// Leaves the socket for others and wakes one that can drive it.
    pub(super) fn release(&mut self, mut link: Box<Link>) -> Option<Waker> {
        self.driver = None;
        if self.failure.is_some() {
            return None;
        }
        link.shrink();
        self.last_used = Instant::now();
        self.link = Some(link);
        self.next_driver()
    }

    /// Somebody who waits, to be woken to drive.
    pub(super) fn next_driver(&mut self) -> Option<Waker> {
        if let Some(next) = self.slots.iter_mut().skip(self.complete).find(|slot| !slot.dropped) {
            // Without a waker it is about to be polled and will find the socket.
            return next.waker.take();
        }
        self.withdraw();
        None
    }

    /// Takes back what nobody waits for and has not left. A later call must not
    /// send it: a write would be applied long after its caller gave up.
    fn withdraw(&mut self) {
        let Some(link) = &mut self.link else { return };
        if link.unsent.is_empty() && self.outgoing.is_empty() {
            return;
        }
        self.outgoing.clear();
        let kept = self.slots.iter().take_while(|slot| slot.start < link.written).count();
        let end = self.slots.get(kept).map_or(self.queued, |slot| slot.start);
        self.slots.truncate(kept);
        self.queued = end;
        // Behind a batch of which a part has left, a new one would be garbled.
        if end > link.written {
            self.failure = Some((Cause::hung_up("a call was dropped while being sent"), end));
            self.link = None;
        } else {
            link.unsent.clear();
        }
    }
}

/// Why an exchange has no replies.
#[derive(Debug)]
pub(super) enum Lost {
    /// The connection is gone. When `sent` is false, the server has certainly
    /// not seen a byte of the batch.
    Dead { sent: bool, cause: Cause },
    /// As many calls wait as may.
    Busy,
}
