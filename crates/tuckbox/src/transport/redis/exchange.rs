//! [`Exchange`]: one call on a shared connection.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use smallvec::SmallVec;

use super::{
    connection::Connection,
    link::{Cause, Link},
    state::{Lost, Replies},
};

/// One batch under way; resolves to its replies.
///
/// Dropping it is safe at any time: the connection goes on for the others, and
/// replies that nobody waits for are thrown away.
pub(super) struct Exchange<'a> {
    pub(super) connection: &'a Connection,
    pub(super) ticket: Option<u64>,
    /// The socket, while this call drives.
    pub(super) link: Option<Box<Link>>,
    /// Let the other tasks that are ready queue their commands first: one
    /// write for all costs less than the detour.
    pub(super) defer: bool,
}

impl Exchange<'_> {
    /// Moves the socket on as far as it goes now.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Replies, Lost>> {
        let (Some(ticket), Some(mut link)) = (self.ticket, self.link.take()) else {
            return Poll::Pending;
        };
        loop {
            // Reading comes first: if the server has hung up, what is not
            // written yet can go to another connection.
            let moved = link.read(cx).and_then(|received| link.write(cx).map(|()| received));
            let received = match moved {
                Ok(received) => received,
                Err(cause) => return Poll::Ready(self.end(ticket, &mut link, cause)),
            };
            let write_blocked = !link.unsent.is_empty();
            let mut wakers = SmallVec::new();
            let mut state = self.connection.lock();
            let delivered = state.deliver(&mut link.replies, &mut wakers);
            if let Err(cause) = delivered {
                drop(state);
                return Poll::Ready(self.end(ticket, &mut link, cause));
            }
            if let Some(replies) = state.take_complete(ticket) {
                self.ticket = None;
                wakers.extend(state.release(link));
                drop(state);
                wakers.into_iter().for_each(Waker::wake);
                return Poll::Ready(Ok(replies));
            }
            if let Some(lost) = state.lost(ticket) {
                return Poll::Ready(Err(lost));
            }
            state.load(&mut link);
            set_waker(&mut state.driver, cx);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            // The socket has our waker for what it cannot do now; go on only
            // with what it has not been asked yet.
            if !received && (write_blocked || link.unsent.is_empty()) {
                self.link = Some(link);
                return Poll::Pending;
            }
        }
    }

    /// Ends the connection for `cause` and tells what became of this call.
    fn end(&self, ticket: u64, link: &mut Link, cause: Cause) -> Result<Replies, Lost> {
        let mut wakers = SmallVec::new();
        // What came in before counts. More replies than calls end it anyway.
        let _ = self.connection.lock().deliver(&mut link.replies, &mut wakers);
        self.connection.fail(cause.clone(), link.written);
        wakers.into_iter().for_each(Waker::wake);
        let mut state = self.connection.lock();
        if let Some(replies) = state.take_complete(ticket) {
            return Ok(replies);
        }
        Err(state.lost(ticket).unwrap_or(Lost::Dead { sent: true, cause }))
    }
}

impl Future for Exchange<'_> {
    type Output = Result<Replies, Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(ticket) = this.ticket else { return Poll::Pending };
        if this.link.is_none() {
            let mut state = this.connection.lock();
            if let Some(replies) = state.take_complete(ticket) {
                this.ticket = None;
                return Poll::Ready(Ok(replies));
            }
            if let Some(lost) = state.lost(ticket) {
                return Poll::Ready(Err(lost));
            }
            this.link = state.take_link();
            let driving = this.link.is_some();
            if let Some(slot) = state.slot(ticket) {
                if driving {
                    slot.waker = None;
                } else {
                    set_waker(&mut slot.waker, cx);
                    return Poll::Pending;
                }
            }
        }
        if std::mem::take(&mut this.defer) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.drive(cx)
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if self.ticket.is_none() && self.link.is_none() {
            return;
        }
        let mut state = self.connection.lock();
        if let Some(slot) = self.ticket.and_then(|ticket| state.slot(ticket)) {
            slot.dropped = true;
            slot.waker = None;
            state.forget_done();
        }
        let next = match self.link.take() {
            Some(link) => state.release(link),
            // It may just have been woken to drive: pass that on.
            None if state.link.is_some() => state.next_driver(),
            None => None,
        };
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
    }
}

fn set_waker(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}
