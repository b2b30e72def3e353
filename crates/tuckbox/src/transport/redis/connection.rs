//! [`Connection`]: one connection that many calls share, without a task.
//!
//! A call puts its commands into a shared buffer and waits for its turn in the
//! order of replies. One of the waiting calls *drives*: it owns the socket,
//! writes what all have queued, reads, and hands every reply to the call it
//! belongs to. When it has its own reply it leaves the socket to the next that
//! waits. So a lone call costs one write and one read and no switch between
//! tasks, and calls made together share both.
//!
//! The lock around the shared state is held for memory operations alone; the
//! socket is outside it, owned by whoever drives.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use bytes::BytesMut;

use super::{
    batch::Batch,
    exchange::Exchange,
    link::{Cause, Link},
    socket::Socket,
    state::{Lost, State},
};

/// After this long without traffic the socket is looked at before it is
/// trusted: one cheap system call tells whether the server has hung up, and
/// spares a write the doubt whether it was applied. The calls of one request
/// follow each other faster than this.
const TRUSTED_FOR: Duration = Duration::from_millis(1);

/// One connection that many calls share.
pub(super) struct Connection {
    state: Mutex<State>,
    max_in_flight: usize,
    max_idle: Duration,
}

impl Connection {
    pub(super) fn new(socket: Socket, max_in_flight: usize, max_idle: Duration) -> Self {
        Self { state: Mutex::new(State::new(Link::new(socket))), max_in_flight, max_idle }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `batch`; the replies come when the exchange is awaited.
    ///
    /// # Errors
    /// [`Lost`]; the batch was not sent then.
    pub(super) fn start(&self, batch: &Batch<'_>) -> Result<Exchange<'_>, Lost> {
        let mut exchange = Exchange { connection: self, ticket: None, link: None, defer: false };
        let mut state = self.lock();
        state.admit(self.max_in_flight)?;
        if state.slots.is_empty() {
            let idle = state.last_used.elapsed();
            if idle >= TRUSTED_FOR {
                // Taking the socket makes this call the driver, so the look at
                // it needs no lock.
                exchange.link = state.link.take();
                drop(state);
                self.check_idle(idle, exchange.link.as_deref())?;
                state = self.lock();
                state.admit(self.max_in_flight)?;
            }
        }
        exchange.ticket = Some(state.queue(batch));
        match &mut exchange.link {
            Some(link) => state.load(link),
            None => exchange.link = state.take_link(),
        }
        if exchange.link.is_none() {
            state.wake_driver();
        }
        exchange.defer = exchange.link.is_some() && state.crowded;
        drop(state);
        Ok(exchange)
    }

    /// Ends the connection when it cannot be trusted after `idle`.
    fn check_idle(&self, idle: Duration, link: Option<&Link>) -> Result<(), Lost> {
        let cause = if idle >= self.max_idle {
            Cause::hung_up("the connection was idle for too long")
        } else if link.is_some_and(|link| !link.socket.is_quiet()) {
            Cause::hung_up("the server closed the idle connection")
        } else {
            return Ok(());
        };
        self.fail(cause.clone(), link.map_or(0, |link| link.written));
        Err(Lost::Dead { sent: false, cause })
    }

    /// Ends the connection: every call that waits fails.
    pub(super) fn fail(&self, cause: Cause, written: u64) {
        let wakers: Vec<Waker> = {
            let mut state = self.lock();
            if state.failure.is_some() {
                return;
            }
            state.failure = Some((cause, written));
            state.link = None;
            state.outgoing = BytesMut::new();
            let State { driver, slots, .. } = &mut *state;
            slots.iter_mut().filter_map(|slot| slot.waker.take()).chain(driver.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends the connection from outside; what was sent is unknown.
    pub(super) fn close(&self) {
        self.fail(Cause::hung_up("the connection was closed"), u64::MAX);
    }
}
