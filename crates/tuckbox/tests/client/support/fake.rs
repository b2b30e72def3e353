//! A server that follows a script, for what a real one does too rarely.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::BytesMut;
use socket2::SockRef;
use tuckbox::Command;
use tuckbox_resp::{Limits, RequestParser};

/// One connection of a [`FakeServer`].
pub(crate) struct Peer {
    /// `None` once it was reset.
    stream: Option<TcpStream>,
    buf: BytesMut,
    parser: RequestParser,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// The next command, or `None` when the client hung up. All but the login
    /// are remembered for [`FakeServer::seen`].
    pub(crate) fn read(&mut self) -> Option<Command> {
        loop {
            if let Some(command) = self.parser.parse(&mut self.buf).unwrap() {
                let words: Vec<_> = command.iter().map(String::from_utf8_lossy).collect();
                self.seen.lock().unwrap().push(words.join(" "));
                return Some(command);
            }
            let mut chunk = [0; 4096];
            let n = self.stream.as_mut()?.read(&mut chunk).ok().filter(|n| *n > 0)?;
            self.buf.extend_from_slice(&chunk[..n]);
        }
    }

    fn stream(&mut self) -> &mut TcpStream {
        self.stream.as_mut().unwrap()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream().write_all(bytes).unwrap();
    }

    /// The port it came in by.
    #[cfg(feature = "redis-cluster")]
    pub(crate) fn port(&self) -> u16 {
        self.stream.as_ref().unwrap().local_addr().unwrap().port()
    }

    /// Ends the connection.
    pub(crate) fn hang_up(&mut self) {
        self.stream().shutdown(Shutdown::Both).unwrap();
    }

    /// Ends what goes to the client, and goes on reading.
    pub(crate) fn close_half(&mut self) {
        self.stream().shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection as one that the server has forgotten ends.
    pub(crate) fn reset(&mut self) {
        let stream = self.stream.take().unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Reads the client's HELLO and answers it.
    pub(crate) fn greet(&mut self) {
        let hello = self.read().unwrap();
        assert_eq!(hello.name(), b"HELLO");
        self.seen.lock().unwrap().pop();
        self.write(b"%1\r\n$5\r\nproto\r\n:3\r\n");
    }
}

/// Serves connection number 0, 1, … each by `script`, one after the other.
pub(crate) struct FakeServer {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    pub(crate) fn start(script: impl Fn(usize, &mut Peer) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = Self { port, seen: Arc::clone(&seen) };
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (buf, parser) = (BytesMut::new(), RequestParser::new(Limits::REQUEST));
                let seen = Arc::clone(&seen);
                let stream = Some(stream.unwrap());
                script(number, &mut Peer { stream, buf, parser, seen });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The commands it has read, on all connections.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}
