//! Processes, and waiting for them.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::PATIENCE;

/// Whether `program` can be run; says so when not.
///
/// # Panics
/// When it cannot, and `TUCKBOX_REQUIRE_REDIS=1` says that it must.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    if Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok() {
        return true;
    }
    skip(&format!("{program} is not installed"));
    false
}

/// Says that a test is skipped, and why.
pub(crate) fn skip(why: &str) {
    let required = std::env::var("TUCKBOX_REQUIRE_REDIS").is_ok_and(|value| value == "1");
    assert!(!required, "{why}, and TUCKBOX_REQUIRE_REDIS=1");
    println!("skipped: {why}");
}

/// A port that nobody listens on. Another process can take it before its use, so
/// try again then.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running process whose output has said `ready`, or `None` when it gave up.
#[must_use]
pub fn spawn(command: &mut Command, ready: &str) -> Option<Child> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if !lines.any(|line| line.is_ok_and(|line| line.contains(ready))) {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    // Somebody must go on reading its log, or it would block.
    thread::spawn(move || lines.for_each(drop));
    Some(child)
}

/// Waits until `holds`, a minute at most.
///
/// # Panics
/// With `what` it waited for in vain.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
