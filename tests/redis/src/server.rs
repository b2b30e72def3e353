//! [`RedisServer`]: one server.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command},
};

use tempfile::TempDir;
use tuckbox_resp::{Reply, cmd};

use crate::{
    Connection, Monitor, PATIENCE,
    process::{free_port, is_installed, skip, spawn, until},
};

/// A redis-server that nobody else uses and that ends with this value.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    args: Vec<String>,
    /// What it saves, the next server there reads.
    dir: TempDir,
}

impl RedisServer {
    /// Starts one; `None`, after saying so, where it is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one whose version begins with `version`; `None`, after saying so,
    /// where another or none is installed.
    #[must_use]
    pub fn start_version(version: &str, args: &[&str]) -> Option<Self> {
        if !is_installed("redis-server") {
            return None;
        }
        // As in `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64`.
        let said = Command::new("redis-server").arg("--version").output().unwrap().stdout;
        let said = String::from_utf8_lossy(&said);
        if !said.contains(&format!(" v={version}")) {
            skip(&format!("redis-server is not {version}: {}", said.trim()));
            return None;
        }
        Self::start_with(args)
    }

    /// Starts one with more on its command line, where `{port}` stands for its
    /// port. With `--tls-port` among it, it listens there alone.
    #[must_use]
    pub fn start_with(args: &[&str]) -> Option<Self> {
        if !is_installed("redis-server") {
            return None;
        }
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        // Another process may take the port between our looking and its use.
        for _ in 0..10 {
            let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
            if let Some(process) = run(port, &args, &dir) {
                return Some(Self { process, port, args, dir });
            }
        }
        panic!("redis-server does not start");
    }

    /// `redis://127.0.0.1:` and its port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The raw reply to one command.
    pub fn ask(&self, words: &[&str]) -> String {
        ask(self.port, words)
    }

    /// Another connection to it.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::to(self.port)
    }

    /// Sees what it is asked to do from now on.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::on(self)
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Ends it after it has saved its data.
    pub fn save_and_kill(&mut self) {
        assert_eq!(self.connect().call(&cmd!("SAVE")), Reply::OK);
        self.kill();
    }

    /// Starts it again on the same port after it has ended, with what it had saved.
    pub fn start_again(&mut self) {
        self.process = run(self.port, &self.args, &self.dir).expect("redis-server starts again");
    }

    /// Ends it and starts it again.
    pub fn restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Stops it in its tracks: it takes connections, keeps them open and answers
    /// nothing.
    pub fn freeze(&self) {
        signal(&self.process, "-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal(&self.process, "-CONT");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // SIGKILL ends a frozen process as well.
        self.kill();
    }
}

pub(crate) fn signal(process: &Child, signal: &str) {
    let id = process.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

/// The raw reply of the server at `port` to one command; nothing when it is
/// away.
pub fn ask(port: u16, words: &[&str]) -> String {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    // Its second answer says that the first is complete.
    request += "*2\r\n$4\r\nPING\r\n$7\r\nthe end\r\n";
    let end = b"$7\r\nthe end\r\n";
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    if stream.write_all(request.as_bytes()).is_err() {
        return String::new();
    }
    let mut reply = Vec::new();
    let mut chunk = [0; 4096];
    while !reply.ends_with(end) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return String::new(),
            Ok(n) => reply.extend_from_slice(&chunk[..n]),
        }
    }
    reply.truncate(reply.len() - end.len());
    String::from_utf8_lossy(&reply).into_owned()
}

/// Waits until the replica at one port has all that the master at another has.
pub fn until_in_step(replica: u16, master: u16) {
    let offset = |port| -> Option<u64> {
        let info = ask(port, &["INFO", "replication"]);
        info.lines().find_map(|line| line.strip_prefix("master_repl_offset:")?.parse().ok())
    };
    let wanted = offset(master);
    until("the replica has all", || wanted.is_some() && offset(replica) >= wanted);
}

fn run(port: u16, args: &[String], dir: &TempDir) -> Option<Child> {
    let tls_only = args.iter().any(|arg| arg == "--tls-port");
    let mut command = Command::new("redis-server");
    command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
    command.arg("--dir").arg(dir.path());
    let plain_port = if tls_only { 0 } else { port };
    command.args(["--port", &plain_port.to_string()]);
    command.args(args.iter().map(|arg| arg.replace("{port}", &port.to_string())));
    spawn(&mut command, "eady to accept")
}
