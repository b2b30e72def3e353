//! What a connection is doing, shared between its socket, its requests and its task.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// The phases a connection goes through again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// No byte of a next request has come.
    Waiting,
    /// A part of a request's head has come.
    Head,
    /// A request is being answered.
    Busy,
}

/// One per connection. All on the connection's own task; atomics because that task may move
/// between threads.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    phase: AtomicU8,
    unread: AtomicBool,
    write_blocked: AtomicBool,
}

impl Activity {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Waiting,
            1 => Phase::Head,
            _ => Phase::Busy,
        }
    }

    /// Bytes have come while nothing was under way.
    pub(crate) fn head_began(&self) {
        self.phase.store(Phase::Head as u8, Ordering::Relaxed);
    }

    pub(crate) fn request_began(&self) {
        self.phase.store(Phase::Busy as u8, Ordering::Relaxed);
        self.unread.store(false, Ordering::Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.phase.store(Phase::Waiting as u8, Ordering::Relaxed);
    }

    /// Whether nothing was asked and nothing of an answer is left to send.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase() == Phase::Waiting && !self.write_blocked.load(Ordering::Relaxed)
    }

    /// The client does not take, or takes again, what is written to it.
    pub(crate) fn set_write_blocked(&self, blocked: bool) {
        self.write_blocked.store(blocked, Ordering::Relaxed);
    }

    /// The last request was answered before its body was read to the end.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }
}
