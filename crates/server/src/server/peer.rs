//! [`Peer`]: one connection.

use std::{
    io::{self, Read},
    net::SocketAddr,
    os::fd::AsRawFd,
    time::Instant,
};

use bytes::BytesMut;
use mio::{event::Event, net::TcpStream};
use tuckbox_engine::{Connection, Room};
use tuckbox_resp::{Command, Limits, RequestParser};

use super::output::Output;
use crate::counters::Counters;

/// An input buffer that grew beyond this is not kept.
const KEPT_BYTES: usize = 64 * 1024;

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What the engine knows of it.
    pub(crate) session: Connection,
    /// What the server knows of it.
    pub(crate) link: Link,
}

/// A connection's socket, and what the server remembers of it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    /// The address that the client has connected to.
    pub(crate) local: SocketAddr,
    pub(crate) parser: RequestParser,
    pub(crate) input: BytesMut,
    pub(crate) output: Output,
    /// A command that has to wait: the server is paused for it, or the engine has no
    /// room for what it writes.
    pub(crate) held: Option<Command>,
    /// The room that the held command waits for.
    pub(crate) room: Option<Room>,
    /// It is among those that wait for room.
    pub(crate) crowded: bool,
    /// There may be more to read.
    pub(crate) readable: bool,
    /// The client has closed its side: no event will tell of the end.
    pub(crate) no_more: bool,
    /// The socket takes more.
    pub(crate) writable: bool,
    /// There may be complete requests in the input.
    pub(crate) unparsed: bool,
    /// It is among those that wait for the disk.
    pub(crate) waits: bool,
    /// It was answered by the last sync and has not said anything since.
    pub(crate) awaited: bool,
    /// Nothing more is read or executed; what is in the output is sent.
    pub(crate) ends: bool,
    /// It is to be closed at once.
    pub(crate) cut: bool,
    pub(crate) logged_in: bool,
    pub(crate) monitors: bool,
    pub(crate) replies: ReplyMode,
    pub(crate) since: Instant,
    pub(crate) active: Instant,
    /// The last command's name, for `CLIENT LIST`.
    pub(crate) last: &'static str,
    /// Bytes of the request that is being executed.
    pub(crate) request: usize,
    /// Since when so much waits for the client that it must not stay so.
    pub(crate) slow_since: Option<Instant>,
    /// Since when nothing more is expected of it.
    pub(crate) ends_since: Option<Instant>,
}

/// What `CLIENT REPLY` chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    On,
    Off,
    /// Not this one, and not the next.
    SkipNext,
    /// Not this one.
    Skip,
}

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Something,
    Nothing,
    End,
    /// More than may wait to be executed.
    TooMuch,
}

impl Link {
    pub(crate) fn new(
        stream: TcpStream,
        address: SocketAddr,
        local: SocketAddr,
        now: Instant,
    ) -> Self {
        Self {
            stream,
            address,
            local,
            parser: RequestParser::new(Limits::REQUEST),
            input: BytesMut::new(),
            output: Output::default(),
            held: None,
            room: None,
            crowded: false,
            readable: false,
            no_more: false,
            writable: true,
            unparsed: false,
            waits: false,
            awaited: false,
            ends: false,
            cut: false,
            logged_in: false,
            monitors: false,
            replies: ReplyMode::On,
            since: now,
            active: now,
            last: "NULL",
            request: 0,
            slow_since: None,
            ends_since: None,
        }
    }

    /// Notes what the system says of the socket.
    pub(crate) fn note(&mut self, event: &Event) {
        self.no_more |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.no_more;
        self.writable |= event.is_writable();
    }

    /// The number that the system has for the socket; -1 where it has none.
    pub(crate) fn descriptor(&self) -> i64 {
        self.stream.as_raw_fd().into()
    }

    /// Reads once, by way of `scratch`: a connection that sends nothing has no
    /// buffer.
    ///
    /// # Errors
    /// When the client is gone.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        input_max: usize,
        counters: &mut Counters,
    ) -> io::Result<Heard> {
        match self.stream.read(scratch) {
            Ok(0) => Ok(Heard::End),
            Ok(read) if self.input.len() + read > input_max => Ok(Heard::TooMuch),
            Ok(read) => {
                // Less than asked for: there is no more, or an event will say so.
                self.readable = read == scratch.len() || self.no_more;
                counters.received += read as u64;
                counters.reads += 1;
                self.unparsed = true;
                if self.input.is_empty() && self.input.capacity() > KEPT_BYTES {
                    self.input = BytesMut::new();
                }
                self.input.extend_from_slice(&scratch[..read]);
                Ok(Heard::Something)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(Heard::Nothing)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Heard::Something),
            Err(error) => Err(error),
        }
    }
}
