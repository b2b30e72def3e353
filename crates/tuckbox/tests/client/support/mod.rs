//! Real and fake servers for the tests.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it skips"
)]

#[cfg_attr(not(feature = "redis-cluster"), expect(dead_code, reason = "for several servers"))]
pub(crate) mod cluster;
pub(crate) mod fake;
pub(crate) mod vault;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tuckbox::{Db, Options};

pub(crate) use self::cluster::free_port;

/// A redis-server of one test, killed when dropped.
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
    args: Vec<String>,
    /// A replica writes a file, which the next server there would read.
    dir: tempfile::TempDir,
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
            let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
            if let Some(child) = spawn(port, &args, dir.path()) {
                return Some(Self { child, port, args, dir });
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
        self.child =
            spawn(self.port, &self.args, self.dir.path()).expect("redis-server starts again");
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

/// A running server that accepts connections, or `None` when it gave up.
fn spawn(port: u16, args: &[String], dir: &Path) -> Option<Child> {
    let tls_only = args.iter().any(|arg| arg == "--tls-port");
    let mut command = Command::new("redis-server");
    command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
    command.arg("--dir").arg(dir);
    let plain_port = if tls_only { 0 } else { port };
    command.args(["--port", &plain_port.to_string()]);
    command.args(args.iter().map(|arg| arg.replace("{port}", &port.to_string())));
    cluster::spawn(&mut command, "eady to accept")
}

pub(crate) async fn open(url: &str, options: Options) -> Db {
    Db::open_with(url, options).await.unwrap()
}

/// Where no server listens, now and later: a free port may be another test's
/// in a moment.
#[cfg(feature = "redis-cluster")]
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// For what must not depend on how busy the machine is.
pub(crate) fn patient() -> Options {
    let long = Duration::from_secs(30);
    Options { deadline: long, connect_timeout: long, ..Options::default() }
}
