//! [`Link`]: a socket with its buffers, and what can end it.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf as _, BytesMut};
use tuckbox_resp::{Limits, Reply, ReplyParser};

use super::socket::Socket;

/// Buffers that a large command or reply has grown beyond this are given back.
const BUFFER_KEPT: usize = 64 * 1024;

/// The socket and its buffers.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) unsent: BytesMut,
    /// How many bytes the socket ever took.
    pub(super) written: u64,
    received: BytesMut,
    parser: ReplyParser,
    /// Parsed and not yet delivered; empty between polls.
    pub(super) replies: Vec<Reply>,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            unsent: BytesMut::new(),
            written: 0,
            received: BytesMut::new(),
            parser: ReplyParser::new(Limits::REPLY),
            replies: Vec::new(),
        }
    }

    /// Writes what is unsent as far as the socket takes it.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Cause> {
        while !self.unsent.is_empty() {
            match self.socket.poll_write(cx, &self.unsent) {
                Poll::Ready(Ok(0)) => return Err(Cause::hung_up("the server takes no more bytes")),
                Poll::Ready(Ok(n)) => {
                    self.written += n as u64;
                    self.unsent.advance(n);
                }
                Poll::Ready(Err(error)) => return Err(Cause::io(&error)),
                Poll::Pending => return Ok(()),
            }
        }
        self.unsent.clear();
        match self.socket.poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(Cause::io(&error)),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Reads once and decodes what came. `false` when nothing came yet.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Cause> {
        match self.socket.poll_read(cx, &mut self.received) {
            Poll::Ready(Ok(0)) => Err(Cause::hung_up("the server closed the connection")),
            Poll::Ready(Ok(_)) => {
                while let Some(reply) = self
                    .parser
                    .parse(&mut self.received)
                    .map_err(|error| Cause::garbled(&error.to_string()))?
                {
                    // Nobody subscribes here; a message out of turn is no reply.
                    if !matches!(reply, Reply::Push(_)) {
                        self.replies.push(reply);
                    }
                }
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(Cause::io(&error)),
            Poll::Pending => Ok(false),
        }
    }

    /// Gives back what a large command or reply took.
    pub(super) fn shrink(&mut self) {
        for buffer in [&mut self.unsent, &mut self.received] {
            // Its capacity shows only what lies behind the bytes used up.
            if buffer.is_empty() && buffer.try_reclaim(BUFFER_KEPT + 1) {
                *buffer = BytesMut::new();
            }
        }
    }
}

/// What ended a connection.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub(super) kind: io::ErrorKind,
    pub(super) text: Arc<str>,
    /// What came in was not RESP, or not what was asked for.
    pub(super) garbled: bool,
}

impl Cause {
    pub(super) fn io(error: &io::Error) -> Self {
        Self { kind: error.kind(), text: error.to_string().into(), garbled: false }
    }

    pub(super) fn hung_up(text: &str) -> Self {
        Self { kind: io::ErrorKind::ConnectionReset, text: text.into(), garbled: false }
    }

    pub(super) fn garbled(text: &str) -> Self {
        Self { kind: io::ErrorKind::InvalidData, text: text.into(), garbled: true }
    }
}
