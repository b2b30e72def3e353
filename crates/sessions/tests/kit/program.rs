//! The example as a running program, on each store.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use tuckbox_test_redis::RedisServer;

use crate::{
    client::{Browser, SOON},
    conformance,
};

/// The test of this very program that is the example, and what it waits for to
/// run it: other tests that are ignored as a rule may be asked for with it.
const TEST_THAT_RUNS_IT: &str = "program::runs_the_example";
const RUN: &str = "RUN_CONFORMANCE";

/// The running program; it ends with this value, as if by `kill -9`.
pub(crate) struct Program {
    child: Child,
    port: u16,
    log: Arc<Log>,
}

/// The lines that a program has printed.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Program {
    /// The example with its sessions at `url`.
    pub(crate) fn start(url: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([TEST_THAT_RUNS_IT, "--exact", "--ignored", "--nocapture"])
            .env_clear()
            .envs([("PORT", "0"), ("REDIS_URL", url), ("LOG_FORMAT", "json"), (RUN, "1")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let lines = BufReader::new(child.stdout.take().unwrap());
        thread::spawn({
            let log = log.clone();
            move || log.fill(lines)
        });
        let mut program = Self { child, port: 0, log };
        let line = program.logged(&["listening on "]);
        let port = line.split("http://localhost:").nth(1).unwrap();
        program.port = port.split('"').next().unwrap().parse().unwrap();
        program
    }

    /// Waits for a line of its log that contains all of `parts`.
    pub(crate) fn logged(&self, parts: &[&str]) -> String {
        let end = Instant::now() + SOON;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().find(|line| parts.iter().all(|p| line.contains(p))) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{parts:?} was never logged: {lines:#?}");
            lines = self.log.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    pub(crate) fn server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.server())
    }

    pub(crate) fn logged_in(&self, user: &str) -> Browser {
        Browser::logged_in(self.server(), user)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn fill(&self, lines: BufReader<ChildStdout>) {
        for line in lines.lines().map_while(Result::ok) {
            self.lines.lock().unwrap().push(line);
            self.more.notify_all();
        }
    }
}

#[test]
#[ignore = "it is the example itself, which the other tests start"]
fn runs_the_example() {
    if env::var_os(RUN).is_some() {
        conformance::main();
    }
}

/// Runs a test on the program over each kind of store, all at the same time.
pub(crate) fn on_every_store(test: impl Fn(&Program) + Sync) {
    let directory = tempfile::tempdir().unwrap();
    let file = format!("file:{}", directory.path().join("data").display());
    let redis = RedisServer::start();
    thread::scope(|scope| {
        let run = |url: &str| {
            let (test, url) = (&test, url.to_owned());
            // Named after the store, so that a failure says which one it is.
            let thread = thread::Builder::new().name(url.clone());
            thread.spawn_scoped(scope, move || test(&Program::start(&url))).unwrap();
        };
        run("memory:");
        run(&file);
        if let Some(redis) = &redis {
            run(&redis.url());
        }
    });
}
