//! The program, and the tools of Redis against it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Output, Stdio},
};

use tuckbox_resp::{Reply, cmd};
use tuckbox_test_redis::{Connection, is_installed};

use crate::running::text;

/// A `tuckbox serve` that ends with this value.
pub(crate) struct Served {
    pub(crate) process: Child,
    pub(crate) port: u16,
}

impl Served {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::by(Command::new(env!("CARGO_BIN_EXE_tuckbox")), arguments, environment)
    }

    /// One that may have `files` files open.
    fn with_files(files: usize, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_tuckbox")]);
        Self::by(shell, arguments, &[])
    }

    pub(crate) fn by(
        mut command: Command,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut process = command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim_end().strip_prefix("listening on 127.0.0.1:");
        let port = port.unwrap_or_else(|| panic!("it said {line:?}")).parse().unwrap();
        Self { process, port }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.port)
    }

    pub(crate) fn signal(&self, name: &str) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn tuckbox(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tuckbox")).args(arguments).output().unwrap()
}

#[test]
fn sigterm_saves_everything_and_ends_with_0() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--dir", dir.path().to_str().unwrap()];
    for round in 1..=2 {
        let mut served = Served::start(&arguments, &[]);
        assert_eq!(served.connect().call(&cmd!("INCR", "rounds")), Reply::Integer(round));
        served.signal("-TERM");
        assert_eq!(served.process.wait().unwrap().code(), Some(0));
        let mut log = String::new();
        served.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(log.contains("everything is saved"), "{log}");
    }
}

#[test]
fn shutdown_ends_it_with_0() {
    let mut served = Served::start(&["--memory"], &[]);
    let mut connection = served.connect();
    connection.send(b"SET a 1\r\nSHUTDOWN NOSAVE\r\n");
    assert_eq!(connection.read_to_end(), b"+OK\r\n");
    assert_eq!(served.process.wait().unwrap().code(), Some(0));
}

#[test]
fn clients_do_not_take_the_files_that_the_log_needs() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::with_files(128, &["--dir", dir.path().to_str().unwrap()]);
    let mut first = served.connect();
    assert_eq!(first.call(&cmd!("SET", "a", 1)), Reply::OK);
    let mut others: Vec<_> = (0..100).map(|_| served.connect()).collect();
    let refused = Reply::error("ERR max number of clients reached");
    assert_eq!(others.last_mut().unwrap().read_reply(), refused);
    // More than one file of the log.
    for key in 0..24 {
        assert_eq!(first.call(&cmd!("SET", key, vec![b'x'; 1 << 20])), Reply::OK);
    }
    let more = text(first.call(&cmd!("CONFIG", "SET", "maxclients", 1_000)));
    assert!(more.contains("try with 64"), "{more}");
    served.signal("-TERM");
    assert_eq!(served.process.wait().unwrap().code(), Some(0));
}

#[test]
fn the_password_comes_from_a_file_or_the_environment() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from a file\r\nsecond line\n").unwrap();
    let path = file.path().to_str().unwrap();
    let by_file = Served::start(&["--memory", "--password-file", path], &[]);
    let by_variable = Served::start(&["--memory"], &[("TUCKBOX_PASSWORD", "from outside")]);
    for (served, password) in [(by_file, "from a file"), (by_variable, "from outside")] {
        let mut connection = served.connect();
        assert!(matches!(connection.call(&cmd!("GET", "a")), Reply::Error(_)));
        assert_eq!(connection.call(&cmd!("AUTH", password)), Reply::OK);
    }
}

#[test]
fn a_wrong_command_line_is_explained() {
    for (arguments, part) in [
        (&[][..], "Usage: tuckbox"),
        (&["nonsense"][..], "there is no subcommand nonsense"),
        (&["serve"][..], "say either --dir DIR, or --memory"),
        (&["serve", "--memory", "--dir", "x"][..], "say either --dir DIR, or --memory"),
        (&["serve", "--memory", "--nonsense"][..], "--nonsense"),
        (&["serve", "--memory", "--memory-limit", "much"][..], "--memory-limit is a size"),
    ] {
        let output = tuckbox(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    let output = tuckbox(&["serve", "--memory", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no password"));
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        assert_eq!(tuckbox(arguments).status.code(), Some(0));
    }
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let _served = Served::start(&["--dir", path], &[]);
    let output = tuckbox(&["serve", "--dir", path, "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is in use by"));
}

#[test]
fn redis_cli_talks_to_it_in_both_protocols() {
    if !is_installed("redis-cli") {
        return;
    }
    let served = Served::start(&["--memory"], &[]);
    let port = served.port.to_string();
    let cli = |arguments: &[&str]| {
        let output =
            Command::new("redis-cli").args(["-p", &port]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(cli(&["SET", "greeting", "hello"]), "OK\n");
    assert_eq!(cli(&["-3", "GET", "greeting"]), "hello\n");
    assert_eq!(cli(&["HSET", "h", "a", "1", "b", "2"]), "2\n");
    assert_eq!(cli(&["--json", "-3", "HGETALL", "h"]), "{\"a\":\"1\",\"b\":\"2\"}\n");
    assert!(cli(&["INFO", "server"]).contains("redis_mode:standalone"));
    assert!(cli(&["--scan"]).lines().count() == 2);
    assert!(cli(&["--bigkeys"]).contains("Sampled 2 keys"));
}

#[test]
fn redis_benchmark_runs_against_it() {
    if !is_installed("redis-benchmark") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(&["--dir", dir.path().to_str().unwrap()], &[]);
    let output = Command::new("redis-benchmark")
        .args(["-p", &served.port.to_string(), "-q", "-n", "400", "-c", "20", "-P", "4"])
        .args(["-t", "ping_mbulk,ping_inline,set,get,incr,hset,mset"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("ERR") && said.matches("requests per second").count() == 7, "{said}");
    let keys = served.connect().call(&cmd!("DBSIZE")).into_integer().unwrap();
    assert!(keys >= 3, "{keys}");
}
