//! [`Waits`]: connections whose replies wait for the disk.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use tuckbox_engine::{Durable, Engine, LogError, Position, Room};

use super::{Server, bell::Bell, hall::Hall, peer::Link};

/// Connections whose replies wait for the disk, and the one question that is put
/// to the engine for all of them.
pub(crate) struct Waits {
    waker: Waker,
    /// Connections with replies that are not durable yet.
    peers: Vec<usize>,
    /// The lowest position that one of them waits for and that nobody asked for.
    lowest: Option<Position>,
    /// What the engine was asked for.
    asked: Option<(Position, Durable)>,
    /// Connections that were answered by the last sync and have not said anything
    /// since; and how many of them are still worth waiting for.
    awaited: usize,
    awaited_enough: usize,
    /// Connections with requests that wait for room in the log.
    crowd: Vec<usize>,
    room: Option<Room>,
}

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waits").field("peers", &self.peers.len()).finish_non_exhaustive()
    }
}

impl Waits {
    pub(crate) fn new(bell: &Arc<Bell>) -> Self {
        Self {
            waker: Waker::from(Arc::clone(bell)),
            peers: Vec::new(),
            lowest: None,
            asked: None,
            awaited: 0,
            awaited_enough: 0,
            crowd: Vec::new(),
            room: None,
        }
    }

    /// Adds a connection that waits for `position`.
    pub(crate) fn add(&mut self, index: usize, position: Position) {
        self.peers.push(index);
        self.note(position);
    }

    /// Notes that a connection among these waits for `position`.
    fn note(&mut self, position: Position) {
        self.lowest = Some(self.lowest.map_or(position, |lowest| lowest.min(position)));
    }

    /// Notes that a connection has sent something, or that it is gone. When most of
    /// those who were answered together have asked again, the next sync begins.
    pub(crate) fn heard(&mut self, link: &mut Link, engine: &Engine) {
        if !std::mem::take(&mut link.awaited) {
            return;
        }
        self.awaited -= 1;
        if self.awaited == self.awaited_enough {
            engine.go();
        }
    }

    /// Whether a command may be executed, as far as the log has room for what it
    /// writes. If not, connection `index` is gone on with when it has.
    pub(crate) fn has_room(&mut self, engine: &Engine, index: usize) -> bool {
        if engine.has_room() {
            return true;
        }
        let room = self.room.get_or_insert_with(|| engine.room());
        if Pin::new(room).poll(&mut Context::from_waker(&self.waker)).is_ready() {
            self.room = None;
            return true;
        }
        self.crowd.push(index);
        false
    }

    /// What the answer is to the question that was put to the engine.
    fn answer(&mut self, engine: &Engine) -> Option<Result<(), LogError>> {
        let (position, asked) = self.asked.as_mut()?;
        let answer = if engine.is_durable(*position) {
            Ok(())
        } else {
            match Pin::new(asked).poll(&mut Context::from_waker(&self.waker)) {
                Poll::Ready(answer) => answer,
                Poll::Pending => return None,
            }
        };
        self.asked = None;
        Some(answer)
    }

    /// Waits for everything that replies wait for, until `until` at the most, and
    /// sends them.
    pub(crate) fn finish(&mut self, engine: &Engine, hall: &mut Hall, until: Instant) {
        for index in std::mem::take(&mut self.peers) {
            let Some(peer) = hall.peers.get_mut(index) else { continue };
            let output = &mut peer.link.output;
            while let Some(position) = output.waits_for(|position| engine.is_durable(position)) {
                if Instant::now() > until || engine.wait_durable(position).is_err() {
                    output.cut_at_gate();
                    break;
                }
            }
            // The client is gone when it does not take this at once.
            _ = output.send(&mut peer.link.stream);
        }
    }
}

impl Server {
    /// Sends the replies that have become durable, and asks the engine for the
    /// next.
    pub(super) fn settle(&mut self) {
        if self.waits.room.is_some() && self.engine.has_room() {
            self.waits.room = None;
        }
        if self.waits.room.is_none() {
            self.again.append(&mut self.waits.crowd);
        }
        loop {
            if let Some(answer) = self.waits.answer(&self.engine) {
                self.release(answer.err().as_ref());
            }
            let Some(lowest) = self.waits.lowest.take() else { return };
            if self.waits.asked.as_ref().is_some_and(|(asked, _)| *asked <= lowest) {
                return;
            }
            self.waits.asked = Some((lowest, self.engine.durable(lowest)));
        }
    }

    /// Sends what is durable of those who wait; the others go on waiting, or hear
    /// of the `failure`.
    fn release(&mut self, failure: Option<&LogError>) {
        let before = self.waits.awaited;
        for index in std::mem::take(&mut self.waits.peers) {
            let Some(peer) = self.hall.peers.get_mut(index) else { continue };
            let engine = &self.engine;
            let waits_for = peer.link.output.waits_for(|position| engine.is_durable(position));
            match (waits_for, failure) {
                (Some(_), Some(failure)) => {
                    peer.link.waits = false;
                    peer.link.fail(failure);
                }
                (Some(position), None) => {
                    self.waits.peers.push(index);
                    self.waits.note(position);
                    // Replies before it may leave.
                    self.hall.touched.push(index);
                    continue;
                }
                (None, _) => {
                    peer.link.waits = false;
                    self.waits.awaited += usize::from(!peer.link.awaited);
                    peer.link.awaited = true;
                }
            }
            self.hall.touched.push(index);
        }
        if self.waits.awaited > before + 1 {
            // One in eight may have nothing more to say.
            self.waits.awaited_enough = self.waits.awaited / 8;
            self.engine.hold();
        }
    }
}
