//! Commands and replies between the two processes.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use bytes::BytesMut;
use tuckbox_resp::{Command, Limits, Reply, ReplyParser, write_command};

/// A child that is silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The parent's end of a connection to the child.
pub(crate) struct Link {
    stream: UnixStream,
    received: BytesMut,
    parser: ReplyParser,
}

impl Link {
    pub(crate) fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self { stream, received: BytesMut::new(), parser: ReplyParser::new(Limits::REPLY) }
    }

    /// Sends commands in one piece.
    pub(crate) fn send(&mut self, commands: &[Command]) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        for command in commands {
            write_command(command, &mut bytes);
        }
        self.stream.write_all(&bytes)
    }

    /// The next reply; `None` when the child is gone.
    pub(crate) fn receive(&mut self) -> Option<Reply> {
        let mut chunk = [0; 64 * 1024];
        loop {
            let parsed = self.parser.parse(&mut self.received);
            if let Some(reply) = parsed.expect("the child writes RESP") {
                return Some(reply);
            }
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("the child has not answered for {PATIENCE:?}")
                }
                Ok(0) | Err(_) => return None,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// Sends commands and waits for all replies; `None` when the child dies.
    pub(crate) fn ask(&mut self, commands: &[Command]) -> Option<Vec<Reply>> {
        let mut replies = Vec::with_capacity(commands.len());
        // As many at once as surely fit the sockets' buffers both ways.
        for part in commands.chunks(100) {
            self.send(part).ok()?;
            for _ in part {
                replies.push(self.receive()?);
            }
        }
        Some(replies)
    }

    /// [`Link::ask`] for one command of a child that must not die.
    pub(crate) fn run(&mut self, command: Command) -> Reply {
        let name = String::from_utf8_lossy(command.name()).into_owned();
        let replies = self.ask(&[command]);
        let reply = replies.and_then(|mut replies| replies.pop());
        reply.unwrap_or_else(|| panic!("the child died during {name}"))
    }
}
