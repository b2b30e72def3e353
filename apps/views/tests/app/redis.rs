//! A Redis server of one test's own.

use std::{
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

use crate::browser::SOON;

/// It ends with this value.
pub(crate) struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts one on a free port; `None`, after saying so, where redis-server is not installed.
    pub(crate) fn start() -> Option<Self> {
        // Another process may take the port between our looking and its use.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            match spawn(port) {
                Ok(Some(child)) => return Some(Self { child, port }),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let required = std::env::var("TUCKBOX_REQUIRE_REDIS");
                    assert_ne!(required.as_deref(), Ok("1"), "redis-server is not installed");
                    println!("skipped: redis-server is not installed");
                    return None;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The first line of the server's answer to a command.
    pub(crate) fn ask(&self, command: &str) -> String {
        self.connect().ask(command)
    }

    /// From now on, what the server is asked.
    pub(crate) fn watch(&self) -> Watch<'_> {
        let mut connection = self.connect();
        assert_eq!(connection.ask("MONITOR"), "+OK");
        Watch { redis: self, connection }
    }

    fn connect(&self) -> Connection {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        Connection(BufReader::new(tcp))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "redis-server closed the connection");
        line.trim_end().to_owned()
    }
}

/// The commands that clients send, in their order.
pub(crate) struct Watch<'a> {
    redis: &'a Redis,
    connection: Connection,
}

impl Watch<'_> {
    /// The names of those sent since the last time. What a script does on the server is no command
    /// of a client's.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        self.redis.ask("ECHO that-was-all");
        let mut names = Vec::new();
        loop {
            // As in `+1700000000.123456 [0 127.0.0.1:4711] "get" "key"`.
            let line = self.connection.line();
            if line.contains("that-was-all") {
                return names;
            }
            if !line.contains(" lua] ") {
                names.push(line.split('"').nth(1).unwrap().to_ascii_lowercase());
            }
        }
    }
}

/// A running server that accepts connections, or `None` when it gave up.
fn spawn(port: u16) -> std::io::Result<Option<Child>> {
    let mut child = Command::new("redis-server")
        .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
        .args(["--port", &port.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if lines.any(|line| line.is_ok_and(|line| line.contains("Ready to accept"))) {
        // Somebody must go on reading its log, or it would block.
        thread::spawn(move || lines.for_each(drop));
        return Ok(Some(child));
    }
    child.wait()?;
    Ok(None)
}
