//! Real and fake servers for the tests.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it skips"
)]

pub(crate) mod fake;

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use tuckbox::{Db, Options};

/// A redis-server of one test, killed when dropped.
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
    args: Vec<String>,
}

impl RedisServer {
    /// Starts one on a free loopback port, with `args` added to its command
    /// line. `None`, after saying so, on a machine without redis-server, unless
    /// `TUCKBOX_REQUIRE_REDIS=1` is set.
    pub(crate) fn start(args: &[&str]) -> Option<Self> {
        if !is_installed("redis-server") {
            return None;
        }
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        // Another process may take the port between our looking and its use.
        for _ in 0..5 {
            let port = free_port();
            if let Some(child) = spawn(port, &args) {
                return Some(Self { child, port, args });
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn db(&self) -> Db {
        Db::open(&self.url()).await.unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it and starts another on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port, &self.args).expect("redis-server starts again");
    }

    /// Stops it in its tracks, or lets it go on: connections stay open.
    pub(crate) fn hang(&self, hang: bool) {
        let signal = if hang { "-STOP" } else { "-CONT" };
        let status =
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether `program` can be run; says so when not. Not to have it is an error
/// with `TUCKBOX_REQUIRE_REDIS=1`.
pub(crate) fn is_installed(program: &str) -> bool {
    let quiet = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    if quiet.is_ok() {
        return true;
    }
    let required = std::env::var("TUCKBOX_REQUIRE_REDIS").is_ok_and(|value| value == "1");
    assert!(!required, "{program} not found, and TUCKBOX_REQUIRE_REDIS=1");
    println!("{program} not found: skipped");
    false
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server that accepts connections, or `None` when it gave up.
fn spawn(port: u16, args: &[String]) -> Option<Child> {
    let tls_only = args.iter().any(|arg| arg == "--tls-port");
    let mut command = Command::new("redis-server");
    command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
    let plain_port = if tls_only { 0 } else { port };
    command.args(["--port", &plain_port.to_string()]);
    command.args(args.iter().map(|arg| arg.replace("{port}", &port.to_string())));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.any(|line| line.is_ok_and(|line| line.contains("eady to accept")));
    if !ready {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    // Nobody may stop reading its log, or it would block.
    std::thread::spawn(move || lines.for_each(drop));
    Some(child)
}

pub(crate) async fn open(url: &str, options: Options) -> Db {
    Db::open_with(url, options).await.unwrap()
}
