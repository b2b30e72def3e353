//! A real server for the length of one test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command as Process, Stdio},
    time::Duration,
};

use bytes::BytesMut;
use tuckbox_resp::{Command, Limits, Reply, ReplyParser, write_command};

/// A port may be taken by another between its choice and its use.
const START_ATTEMPTS: usize = 5;

/// So long a silence means that the server hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    /// Held so that the server can go on writing its log.
    _log: BufReader<ChildStdout>,
    /// Held so that the server has a directory of its own.
    _dir: tempfile::TempDir,
}

impl RedisServer {
    /// A running server, or `None` (and a word about it) when none is installed
    /// or it is of another version than the exceptions are about.
    pub(crate) fn start() -> Option<Self> {
        let version = Process::new("redis-server").arg("--version").output();
        let version = version.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        if !version.as_ref().is_ok_and(|text| text.contains("v=7.0.")) {
            let required = std::env::var_os("TUCKBOX_REQUIRE_REDIS").is_some_and(|v| v == "1");
            assert!(!required, "TUCKBOX_REQUIRE_REDIS=1, but no redis-server 7.0 is on the path");
            println!("skipped: no redis-server of version 7.0 on the path");
            return None;
        }
        let started = (0..START_ATTEMPTS).find_map(|_| Self::try_start());
        Some(started.expect("redis-server starts on a free port"))
    }

    fn try_start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let dir = tempfile::tempdir().expect("a directory");
        let mut process = Process::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server runs");
        let mut log = BufReader::new(process.stdout.take().expect("its output"));
        let mut line = String::new();
        while log.read_line(&mut line).expect("its log") > 0 {
            if line.contains("Ready to accept connections") {
                return Some(Self { process, port, _log: log, _dir: dir });
            }
            line.clear();
        }
        process.wait().expect("its end");
        None
    }

    pub(crate) fn connect(&self) -> Theirs {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Theirs { stream, parser: ReplyParser::new(Limits::REPLY) }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A reply and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) reply: Reply,
}

/// A connection to the server.
pub(crate) struct Theirs {
    stream: TcpStream,
    parser: ReplyParser,
}

impl Theirs {
    /// Sends a command and reads its whole answer.
    pub(crate) fn call(&mut self, command: &Command) -> Answer {
        let mut request = BytesMut::new();
        write_command(command, &mut request);
        self.stream.write_all(&request).expect("sent");
        let mut bytes = Vec::new();
        let mut received = BytesMut::new();
        loop {
            if let Some(reply) = self.parser.parse(&mut received).expect("a reply") {
                assert!(received.is_empty(), "more than one reply to {command:?}");
                return Answer { bytes, reply };
            }
            let mut chunk = [0; 16 << 10];
            let len = self.stream.read(&mut chunk).expect("an answer in time");
            assert_ne!(len, 0, "the server closed the connection after {command:?}");
            bytes.extend_from_slice(&chunk[..len]);
            received.extend_from_slice(&chunk[..len]);
        }
    }
}
