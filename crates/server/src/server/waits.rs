//! [`Waits`]: connections whose replies wait for the disk.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use tuckbox_engine::{Demand, Durable, Engine, LogError, Position};

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
    /// Connections with a command that waits for room.
    crowd: Vec<usize>,
    /// One of them waits for the log.
    log_is_full: bool,
    /// When the first of them has waited long enough for memory.
    due: Option<Instant>,
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
            log_is_full: false,
            due: None,
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

    /// Whether the engine has room for what the next command of connection `index`
    /// may write. If not, it is gone on with when there is, or when it has waited
    /// long enough.
    pub(crate) fn admits(
        &mut self,
        engine: &Engine,
        index: usize,
        link: &mut Link,
        demand: Demand,
    ) -> bool {
        if link.room.is_none() && engine.has_room(demand) {
            return true;
        }
        let room = link.room.get_or_insert_with(|| engine.room(demand));
        if Pin::new(&mut *room).poll(&mut Context::from_waker(&self.waker)).is_ready() {
            link.room = None;
            return true;
        }
        self.log_is_full |= !engine.has_room(Demand::Log);
        self.due = self.due.into_iter().chain(room.due()).min();
        link.crowded = true;
        self.crowd.push(index);
        false
    }

    /// When some of those who wait for room need not wait any longer, though nothing
    /// tells so.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether one of those who wait for room may have it.
    fn is_eased(&self, engine: &Engine) -> bool {
        !self.crowd.is_empty()
            && (engine.has_room(Demand::Memory)
                || self.log_is_full && engine.has_room(Demand::Log)
                || self.due.is_some_and(|due| due <= Instant::now()))
    }

    /// Those who wait for room: all have to ask again.
    fn disperse(&mut self, hall: &mut Hall) -> Vec<usize> {
        self.log_is_full = false;
        self.due = None;
        let crowd = std::mem::take(&mut self.crowd);
        for &index in &crowd {
            if let Some(peer) = hall.peers.get_mut(index) {
                peer.link.crowded = false;
            }
        }
        crowd
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
    /// sends them. Returns of how many connections replies were given up.
    pub(crate) fn finish(&mut self, engine: &Engine, hall: &mut Hall, until: Instant) -> usize {
        let mut given_up = 0;
        for index in std::mem::take(&mut self.peers) {
            let Some(peer) = hall.peers.get_mut(index) else { continue };
            let output = &mut peer.link.output;
            while let Some(position) = output.waits_for(|position| engine.is_durable(position)) {
                if !matches!(engine.wait_durable_until(position, until), Some(Ok(()))) {
                    output.cut_at_gate();
                    given_up += 1;
                    break;
                }
            }
            // The client is gone when it does not take this at once.
            _ = output.send(&mut peer.link.stream);
        }
        given_up
    }
}

impl Server {
    /// Sends the replies that have become durable, and asks the engine for the
    /// next.
    pub(super) fn settle(&mut self) {
        if self.waits.is_eased(&self.engine) {
            self.again.append(&mut self.waits.disperse(&mut self.hall));
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
