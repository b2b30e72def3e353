//! [`Output`]: replies on their way to a client.

use std::{
    collections::VecDeque,
    io::{self, Write},
};

use bytes::{Buf, BytesMut};
use tuckbox_engine::Position;

/// A buffer that grew beyond this is not kept.
const KEPT_BYTES: usize = 64 * 1024;

/// Bytes to be sent, and what has to be durable before they may be.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// What was not sent yet. Bytes are only added at the end.
    pub(crate) buf: BytesMut,
    /// Bytes that were sent and are no longer in the buffer.
    pub(crate) sent: u64,
    /// From which byte on (counted from the first ever sent) which position has to
    /// be durable; both ascend.
    gates: VecDeque<(u64, Position)>,
}

impl Output {
    /// Bytes not sent yet.
    pub(crate) fn len(&self) -> usize {
        self.buf.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Says that everything behind the first `from` bytes of the buffer may leave
    /// once `position` is durable.
    pub(crate) fn gate(&mut self, from: usize, position: Position) {
        if self.buf.len() == from {
            return;
        }
        if self.gates.back().is_none_or(|&(_, last)| last < position) {
            self.gates.push_back((self.sent + from as u64, position));
        }
    }

    /// What has to be durable before more bytes may leave; `None` when nothing has.
    /// Gates that `is_durable` says are open are gone afterwards.
    pub(crate) fn waits_for(
        &mut self,
        mut is_durable: impl FnMut(Position) -> bool,
    ) -> Option<Position> {
        while let Some(&(_, position)) = self.gates.front() {
            if !is_durable(position) {
                return Some(position);
            }
            self.gates.pop_front();
        }
        None
    }

    /// Bytes that may leave now.
    fn free(&self) -> usize {
        match self.gates.front() {
            // A gate is never before what was sent, nor behind what is buffered.
            Some(&(from, _)) => usize::try_from(from - self.sent).unwrap_or(usize::MAX),
            None => self.buf.len(),
        }
    }

    /// Sends what may leave; returns whether the socket takes more.
    ///
    /// # Errors
    /// When the client is gone.
    pub(crate) fn send(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        loop {
            let free = self.free();
            if free == 0 {
                return Ok(true);
            }
            match socket.write(&self.buf[..free]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => self.drop_first(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn drop_first(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        if bytes < self.buf.len() {
            self.buf.advance(bytes);
        } else if self.buf.capacity() > KEPT_BYTES {
            self.buf = BytesMut::new();
        } else {
            self.buf.clear();
        }
    }

    /// Forgets what waits for the disk. It is not known to be durable.
    pub(crate) fn cut_at_gate(&mut self) {
        self.buf.truncate(self.free());
        self.gates.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tuckbox_engine::{Engine, Options};
    use tuckbox_resp::cmd;

    /// Positions of three writes, ascending.
    fn positions() -> [Position; 3] {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path(), Options::default()).unwrap();
        let mut connection = engine.connection();
        let positions =
            [1, 2, 3].map(|value| connection.execute(&cmd!("SET", "key", value)).position);
        engine.close().unwrap();
        positions
    }

    #[test]
    fn what_is_not_durable_stays_and_what_is_before_it_leaves() {
        let [one, two, three] = positions();
        let mut output = Output::default();
        output.buf.extend_from_slice(b"read");
        output.buf.extend_from_slice(b"first");
        output.gate(4, one);
        output.buf.extend_from_slice(b"second");
        output.gate(9, two);
        output.buf.extend_from_slice(b"again");
        output.gate(15, two);

        let mut sent = Vec::new();
        assert_eq!(output.waits_for(|_| false), Some(one));
        assert!(output.send(&mut sent).unwrap());
        assert_eq!(sent, b"read");
        assert_eq!(output.waits_for(|position| position < two), Some(two));
        assert!(output.send(&mut sent).unwrap());
        assert_eq!(sent, b"readfirst");
        output.buf.extend_from_slice(b"third");
        output.gate(11, three);
        assert_eq!(output.waits_for(|position| position < three), Some(three));
        assert!(output.send(&mut sent).unwrap());
        assert_eq!(sent, b"readfirstsecondagain");
        output.cut_at_gate();
        assert!(output.is_empty() && output.waits_for(|_| false).is_none());
    }

    #[test]
    fn a_batch_without_replies_waits_for_nothing() {
        let [one, ..] = positions();
        let mut output = Output::default();
        output.gate(0, one);
        assert_eq!(output.waits_for(|_| false), None);
    }
}
