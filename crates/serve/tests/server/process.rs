//! The server as a process: the example, its port, its signals, its exit.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::SOON;

/// The example, running on a port that the system chose.
pub(crate) struct Process {
    child: Child,
    pub(crate) output: BufReader<ChildStdout>,
    port: u16,
}

fn example() -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/hello");
    assert!(path.exists(), "{} is missing: cargo build --example hello", path.display());
    let mut command = Command::new(path);
    command.env_clear().env("PORT", "0").stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

impl Process {
    fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(env: &[(&str, &str)]) -> Self {
        let mut child = example().envs(env.iter().copied()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, output, port: 0 };
        let line = process.line_with("listening on http://localhost:");
        let message = line["message"].as_str().unwrap();
        process.port = message.rsplit(':').next().unwrap().parse().unwrap();
        process
    }

    /// Reads the log up to a line whose message contains `text`.
    pub(crate) fn line_with(&mut self, text: &str) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "ended before {text:?}");
            let value: Value = serde_json::from_str(&line).unwrap();
            if value["message"].as_str().unwrap().contains(text) {
                return value;
            }
        }
    }

    fn get(&self, path: &str) -> TcpStream {
        self.get_with(path, "")
    }

    /// `head` holds whole header lines.
    pub(crate) fn get_with(&self, path: &str, head: &str) -> TcpStream {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        write!(tcp, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n").unwrap();
        tcp
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(done.success());
    }

    pub(crate) fn exit(&mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < SOON {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still running after {SOON:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn all(mut tcp: TcpStream) -> String {
    let mut text = String::new();
    tcp.read_to_string(&mut text).unwrap();
    text
}

fn a_signal_finishes_the_request(name: &str) {
    let mut process = Process::start();
    let slow = process.get("/slow");
    process.line_with("slow began");
    process.signal(name);
    assert_eq!(process.line_with("stopping")["signal"], format!("SIG{name}"));
    assert!(all(slow).ends_with("slow\n"));
    let status = process.exit();
    assert_eq!(status.code(), Some(0), "{status}");
    // What is left of the log was flushed before the end.
    let mut rest = String::new();
    process.output.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\"path\":\"/slow\",\"status\":200"), "{rest}");
    let [stopped, closed] = ["stopped", "closed"].map(|text| rest.find(&format!(":\"{text}\"")));
    assert!(stopped.is_some() && stopped < closed, "{rest}");
}

#[test]
fn sigterm_finishes_requests_in_flight_and_exits_with_0() {
    a_signal_finishes_the_request("TERM");
}

#[test]
fn sigint_finishes_requests_in_flight_and_exits_with_0() {
    a_signal_finishes_the_request("INT");
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut process = Process::start();
    let _stuck = process.get("/stuck");
    process.line_with("stuck began");
    process.signal("TERM");
    process.line_with("stopping");
    assert_eq!(process.child.try_wait().unwrap(), None, "it must wait for the request");
    process.signal("INT");
    let status = process.exit();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
}

#[test]
fn two_signals_end_a_process_whose_only_thread_is_held_up() {
    let mut process = Process::start();
    let _hog = process.get("/hog");
    process.line_with("hog began");
    process.signal("TERM");
    process.signal("TERM");
    // Signals of one kind that come together count once, so another may be needed.
    let began = Instant::now();
    while process.child.try_wait().unwrap().is_none() && began.elapsed() < SOON {
        process.signal("TERM");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(process.exit().code(), Some(143));
}

#[test]
fn a_port_that_is_taken_is_named_and_a_way_out_is_told() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let output = example().env("PORT", port.to_string()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with(&format!("error: port {port} is already in use on 127.0.0.1")));
    assert!(text.contains("choose another port with PORT"), "{text}");
}

#[test]
fn a_bad_setting_is_named() {
    let output = example().env("PORT", "http").stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        text,
        "error: PORT is \"http\", but must be a port number from 0 to 65535, for example 5000\n"
    );
}

#[test]
fn an_address_of_another_machine_is_refused_with_advice() {
    // From the block that is reserved for documentation.
    let output = example().env("BIND", "192.0.2.1").stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("192.0.2.1 is not an address of this machine: set BIND"), "{text}");
}
