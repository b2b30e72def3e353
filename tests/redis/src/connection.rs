//! [`Connection`]: a client that waits, and sees the bytes.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use bytes::BytesMut;
use tuckbox_resp::{Command, Limits, Reply, ReplyParser, write_command};

use crate::PATIENCE;

/// A reply and its bytes.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As it came.
    pub bytes: Vec<u8>,
    /// What it says.
    pub reply: Reply,
}

/// A connection to a server, in RESP2 until it says `HELLO 3`.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: BytesMut,
    parser: ReplyParser,
}

impl Connection {
    /// Connects to a port of this machine.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, received: BytesMut::new(), parser: ReplyParser::new(Limits::REPLY) }
    }

    /// Sends a command and reads its reply.
    pub fn call(&mut self, command: &Command) -> Reply {
        self.answer(command).reply
    }

    /// Sends a command and reads its one reply, with its bytes.
    pub fn answer(&mut self, command: &Command) -> Answer {
        let mut request = BytesMut::new();
        write_command(command, &mut request);
        self.send(&request);
        let mut bytes = Vec::new();
        loop {
            if let Some(reply) = self.parser.parse(&mut self.received).expect("a reply") {
                assert!(self.received.is_empty(), "more than one reply to {command:?}");
                return Answer { bytes, reply };
            }
            bytes.extend_from_slice(self.receive());
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// The next reply.
    pub fn read_reply(&mut self) -> Reply {
        loop {
            if let Some(reply) = self.parser.parse(&mut self.received).expect("a reply") {
                return reply;
            }
            self.receive();
        }
    }

    /// Everything the server says until it closes, when nothing more is sent.
    #[must_use]
    pub fn read_to_end(mut self) -> Vec<u8> {
        self.stream.shutdown(Shutdown::Write).expect("half closed");
        let mut said = self.received.to_vec();
        // A server that closes with bytes unread resets the connection; what
        // it said before that has come in.
        let _ = self.stream.read_to_end(&mut said);
        said
    }

    /// What came in by one more read.
    fn receive(&mut self) -> &[u8] {
        let mut chunk = [0; 16 << 10];
        let len = self.stream.read(&mut chunk).expect("an answer in time");
        assert_ne!(len, 0, "the server closed the connection");
        let before = self.received.len();
        self.received.extend_from_slice(&chunk[..len]);
        &self.received[before..]
    }
}
