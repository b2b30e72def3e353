//! A real server for the length of one test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, ChildStdout, Command as Process, Stdio},
    time::Duration,
};

use bytes::BytesMut;
use tuckbox_resp::{Command, Limits, Reply, ReplyParser, cmd, write_command};

/// A port may be taken by another between its choice and its use.
const START_ATTEMPTS: usize = 5;

/// So long a silence means that the server hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    /// Held so that the server can go on writing its log.
    _log: BufReader<ChildStdout>,
}

impl RedisServer {
    /// A running server, or `None` (and a word about it) when none is installed
    /// or it is no version 7.
    pub(crate) fn start() -> Option<Self> {
        let version = Process::new("redis-server").arg("--version").output();
        let version = version.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        if !version.as_ref().is_ok_and(|text| text.contains("v=7.")) {
            println!("skipped: no redis-server of version 7 on the path");
            return None;
        }
        let started = (0..START_ATTEMPTS).find_map(|_| Self::try_start());
        Some(started.expect("redis-server starts on a free port"))
    }

    fn try_start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut process = Process::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server runs");
        let mut log = BufReader::new(process.stdout.take().expect("its output"));
        let mut line = String::new();
        while log.read_line(&mut line).expect("its log") > 0 {
            if line.contains("Ready to accept connections") {
                return Some(Self { process, port, _log: log });
            }
            line.clear();
        }
        process.wait().expect("its end");
        None
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Connection { stream, received: BytesMut::new(), parser: ReplyParser::new(Limits::REPLY) }
    }

    /// Everything the server answers to `bytes` on a connection of their own.
    pub(crate) fn answer_to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().stream;
        stream.write_all(bytes).expect("sent");
        stream.shutdown(Shutdown::Write).expect("half closed");
        let mut answer = Vec::new();
        // A server that closes with bytes unread resets the connection; what
        // it said before that has come in.
        let _ = stream.read_to_end(&mut answer);
        answer
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    received: BytesMut,
    parser: ReplyParser,
}

impl Connection {
    pub(crate) fn call(&mut self, command: &Command) -> Reply {
        let mut request = BytesMut::new();
        write_command(command, &mut request);
        self.send(&request);
        self.read_reply()
    }

    pub(crate) fn speak_resp3(&mut self) {
        let hello = self.call(&cmd!("HELLO", 3));
        assert!(matches!(hello, Reply::Map(_)), "{hello:?}");
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    pub(crate) fn read_reply(&mut self) -> Reply {
        loop {
            if let Some(reply) = self.parser.parse(&mut self.received).expect("a reply") {
                return reply;
            }
            let mut chunk = [0; 4096];
            let len = self.stream.read(&mut chunk).expect("an answer in time");
            assert_ne!(len, 0, "the server closed the connection");
            self.received.extend_from_slice(&chunk[..len]);
        }
    }
}
